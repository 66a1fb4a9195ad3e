"""The one in-memory form of a 3D Gaussian splat asset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SH_C0 = 0.28209479177387814
"""Degree-0 real spherical harmonic, 1 / (2 sqrt(pi)): colour = 0.5 + SH_C0 * sh0."""


@dataclass(frozen=True)
class GaussianCloud:
    """N Gaussians as a 3DGS PLY stores them: activations not yet applied.

    All arrays are float32, C-contiguous, and share N. +Y is up.

    Attributes:
        means: (N, 3) centres, in file units.
        log_scales: (N, 3) natural logarithm of the standard deviation along each local axis.
        quats: (N, 4) rotations, wxyz, not necessarily of unit length.
        logit_opacities: (N,) opacity = sigmoid(value).
        sh0: (N, 3) degree-0 spherical harmonics of R, G, B (PLY's f_dc_0..2).
    """

    means: Float32
    log_scales: Float32
    quats: Float32
    logit_opacities: Float32
    sh0: Float32

    def __post_init__(self) -> None:
        n = len(self.means)
        shapes = {
            "means": (n, 3),
            "log_scales": (n, 3),
            "quats": (n, 4),
            "logit_opacities": (n,),
            "sh0": (n, 3),
        }
        for name, shape in shapes.items():
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def opacities(self) -> Float32:
        """(N,) opacities in 0..1."""
        x = np.clip(self.logit_opacities.astype(np.float64), -500.0, 500.0)  # exp overflows past 709
        return (1.0 / (1.0 + np.exp(-x))).astype(np.float32)

    @property
    def scales(self) -> Float32:
        """(N, 3) standard deviations, in file units."""
        return np.exp(self.log_scales)

    @property
    def unit_quats(self) -> Float32:
        """(N, 4) rotations, wxyz, unit length; a zero quaternion becomes the identity."""
        norms = np.linalg.norm(self.quats.astype(np.float64), axis=1, keepdims=True)
        identity = np.array([1.0, 0.0, 0.0, 0.0])
        return np.where(norms > 0, self.quats / np.where(norms > 0, norms, 1.0), identity).astype(np.float32)

    @property
    def rgb(self) -> Float32:
        """(N, 3) base colours; may leave 0..1, as in the format."""
        return (0.5 + SH_C0 * self.sh0).astype(np.float32)

    @classmethod
    def from_activated(
        cls, *, means: Float32, scales: Float32, quats: Float32, opacities: Float32, rgb: Float32
    ) -> GaussianCloud:
        """Builds a cloud from standard deviations, opacities in (0, 1) and colours in 0..1."""
        p = np.clip(opacities.astype(np.float64), 1e-6, 1 - 1e-6)
        return cls(
            means=means,
            log_scales=np.log(np.maximum(scales, 1e-9)),
            quats=quats,
            logit_opacities=np.log(p / (1 - p)),
            sh0=(rgb - 0.5) / SH_C0,
        )
