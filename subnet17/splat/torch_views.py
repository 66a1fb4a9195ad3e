"""Pictures that lie on a GPU, and are copied to this machine's memory only for those who want them there."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from subnet17.splat.cameras import Views
from subnet17.splat.cloud import Float32


class TorchViews:
    """The pictures of C cameras as tensors of one device. Satisfies `Views`.

    Args:
        tensor: (C, H, W, 3) uint8 RGB over the background.
        alpha_tensor: (C, H, W) float32 accumulated opacity in 0..1.
    """

    def __init__(self, tensor: Tensor, alpha_tensor: Tensor) -> None:
        self.tensor = tensor
        self.alpha_tensor = alpha_tensor

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(C, H, W, 3) uint8, copied once."""
        pixels: NDArray[np.uint8] = self.tensor.cpu().numpy()
        return pixels

    @cached_property
    def alphas(self) -> Float32:
        """(C, H, W) float32, copied once."""
        pixels: Float32 = self.alpha_tensor.cpu().numpy()
        return pixels


def tensor_of(views: Views, device: torch.device) -> Tensor:
    """(C, H, W, 3) uint8 pictures on `device`; not copied where they lie there."""
    if isinstance(views, TorchViews):
        return views.tensor.to(device)
    return torch.from_numpy(np.ascontiguousarray(views.images)).to(device)
