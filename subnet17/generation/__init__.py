"""The generation server: text or image in, 3D asset out."""
