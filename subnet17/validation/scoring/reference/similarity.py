"""Structural similarity of neighbouring views on a GPU: torchmetrics' SSIM with data_range 1.

The measure is the one of `validation/ssim.py`, which runs on the CPU and describes it. Here the window is
applied in two directions to all planes at once, and a view's mean and variance serve both its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from subnet17.gpu.recorded import Recorded
from subnet17.validation.scoring.reference.network import RECORD_AFTER
from subnet17.validation.ssim import PAD_PX, SIGMA_PX

C1 = 0.01**2
C2 = 0.03**2
STATISTICS = 3
"""Per colour channel and view: the values, their squares, their products with the next view's."""


class Similarity:
    """SSIM of each view with the next, recorded as a CUDA graph."""

    def __init__(self) -> None:
        # There are no weights whose place could change.
        self._compare = Recorded(neighbour_ssims, lambda: 0, after=RECORD_AFTER)

    def __call__(self, images: Tensor) -> Tensor:
        """See `neighbour_ssims`."""
        with torch.no_grad():
            scores: Tensor = self._compare(images)
        return scores

    def forget(self) -> None:
        """Drops the recording and its memory."""
        self._compare.forget()


def neighbour_ssims(images: Tensor) -> Tensor:
    """Similarity of each picture with the next, and of the last with the first.

    Args:
        images: (N, H, W, 3) uint8, H and W above 5.

    Returns:
        (N,) float32; within 1e-5 of the exact value, and 1e-4 of torchmetrics, whose variances of white
        cancel less exactly.
    """
    # White is 0: the variance of a white background is then exact, and a shift changes no variance.
    planes = (images / 255.0 - 1.0).permute(0, 3, 1, 2)
    following = planes.roll(-1, dims=0)
    blurred = _blur(torch.cat([planes, planes * planes, planes * following], dim=1))
    means, squares, products = blurred.chunk(STATISTICS, dim=1)
    variances = (squares - means * means).clamp_min(0.0)
    covariance = products - means * means.roll(-1, dims=0)
    both_variances = variances + variances.roll(-1, dims=0)
    level = means + 1.0
    next_level = level.roll(-1, dims=0)
    upper = (2.0 * level * next_level + C1) * (2.0 * covariance + C2)
    lower = (level * level + next_level * next_level + C1) * (both_variances + C2)
    return (upper / lower).mean(dim=(1, 2, 3))


def _blur(planes: Tensor) -> Tensor:
    """The Gaussian window over (N, C, H, W), borders reflected.

    Depthwise, so that PyTorch's own float32 kernel runs: cuDNN's would round the inputs to 10 bits, which is
    more than the variances leave.
    """
    channels = planes.shape[1]
    taps = _taps(planes.device).expand(channels, 1, -1)
    padded = functional.pad(planes.contiguous(), (PAD_PX,) * 4, mode="reflect")
    down = functional.conv2d(padded, taps.unsqueeze(-1).contiguous(), groups=channels)
    return functional.conv2d(down, taps.unsqueeze(-2).contiguous(), groups=channels)


def _taps(device: torch.device) -> Tensor:
    steps = torch.arange(-PAD_PX, PAD_PX + 1, dtype=torch.float32, device=device) / SIGMA_PX
    taps = torch.exp(-0.5 * steps * steps)
    return taps / taps.sum()
