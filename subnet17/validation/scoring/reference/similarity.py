"""Structural similarity of neighbouring views: torchmetrics' SSIM with data_range 1.

On the CPU by `validation/ssim.py`, which describes the measure. On a GPU the window is applied in two
directions to all planes at once, and a view's mean and variance serve both its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from subnet17.settings import ValidationTable
from subnet17.validation import ssim
from subnet17.validation.scoring.reference.network import Network, pairs_in_batches
from subnet17.validation.ssim import PAD_PX, SIGMA_PX

C1 = 0.01**2
C2 = 0.03**2
STATISTICS = 3
"""Per colour channel and view: the values, their squares, their products with the next view's."""
ASSUMED_BYTES = 256


class Similarity(Network):
    """Views to SSIM of neighbours. The cache takes its window for weights, so recordings go with it.

    Args:
        device: Where it will run.
    """

    def __init__(self, device: torch.device) -> None:
        window = nn.ParameterList([nn.Parameter(window_taps(), requires_grad=False)])
        super().__init__([window], device)
        self._window = window
        self._compare_all = self.record(self._compare)

    def similarities(self, images: Tensor, batch: int) -> Tensor:
        """(N,) float32: of each of (N, H, W, 3) uint8 views with the next, of the last with the first.

        Args:
            images: The views.
            batch: Pairs compared at once, on a GPU.
        """
        if self.device.type == "cpu":
            return torch.from_numpy(ssim.neighbour_ssims(images.numpy())).float()
        with self.running():
            return pairs_in_batches(self._compare_all, images, batch)

    def rehearse(self, images: Tensor) -> None:
        """See `Network`."""
        self.similarities(images, len(images))

    def _compare(self, images: Tensor) -> Tensor:
        return neighbour_ssims(images, self._window[0])


def neighbour_ssims(images: Tensor, taps: Tensor) -> Tensor:
    """Similarity of each picture with the next, and of the last with the first.

    Args:
        images: (N, H, W, 3) uint8, H and W above 5.
        taps: (11,) float32; see `window_taps`.

    Returns:
        (N,) float32; within 1e-5 of the exact value, and 1e-4 of torchmetrics, whose variances of white
        cancel less exactly.
    """
    # White is 0: the variance of a white background is then exact, and a shift changes no variance.
    planes = (images / 255.0 - 1.0).permute(0, 3, 1, 2)
    following = planes.roll(-1, dims=0)
    blurred = _blur(torch.cat([planes, planes * planes, planes * following], dim=1), taps)
    means, squares, products = blurred.chunk(STATISTICS, dim=1)
    variances = (squares - means * means).clamp_min(0.0)
    covariance = products - means * means.roll(-1, dims=0)
    both_variances = variances + variances.roll(-1, dims=0)
    level = means + 1.0
    next_level = level.roll(-1, dims=0)
    upper = (2.0 * level * next_level + C1) * (2.0 * covariance + C2)
    lower = (level * level + next_level * next_level + C1) * (both_variances + C2)
    return (upper / lower).mean(dim=(1, 2, 3))


def _blur(planes: Tensor, taps: Tensor) -> Tensor:
    """The Gaussian window over (N, C, H, W), borders reflected.

    Depthwise, so that PyTorch's own float32 kernel runs: cuDNN's would round the inputs to 10 bits, which is
    more than the variances leave.
    """
    channels = planes.shape[1]
    taps = taps.expand(channels, 1, -1)
    padded = functional.pad(planes.contiguous(), (PAD_PX,) * 4, mode="reflect")
    down = functional.conv2d(padded, taps.unsqueeze(-1).contiguous(), groups=channels)
    return functional.conv2d(down, taps.unsqueeze(-2).contiguous(), groups=channels)


def window_taps() -> Tensor:
    """(11,) float32 taps of the Gaussian window; their sum is 1."""
    steps = torch.arange(-PAD_PX, PAD_PX + 1, dtype=torch.float32) / SIGMA_PX
    taps = torch.exp(-0.5 * steps * steps)
    return taps / taps.sum()


def load_similarity(_: ValidationTable, device: torch.device, *, compiled: bool = False) -> Similarity:
    """Nothing is read."""
    return Similarity(device)
