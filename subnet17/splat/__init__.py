"""3D Gaussian splats: the cloud, its file formats, cameras, rasterisers and converters."""
