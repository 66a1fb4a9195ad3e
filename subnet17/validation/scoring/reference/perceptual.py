"""How different neighbouring views look: LPIPS (Zhang et al. 2018) on AlexNet, as torchmetrics computes it.

Each view goes through AlexNet once, not once per pair; its features serve both its neighbours. A distance is
the sum over five layers of the mean, over pixels, of the weighted squared difference of features that were
brought to length 1 at each pixel.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from subnet17.settings import ValidationTable
from subnet17.validation.scoring.reference.foreign import explained
from subnet17.validation.scoring.reference.lpips_files import find_lpips, read_weights
from subnet17.validation.scoring.reference.network import Network, pairs_in_batches
from subnet17.validation.scoring.reference.pictures import lpips_input

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""LPIPS's own normalisation of pixels in -1..1."""
LENGTH_EPS = 1e-8
CONVOLUTIONS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
"""Number in torchvision's `features` -> stride and padding."""
POOLED_BEFORE = frozenset({3, 6})
"""Convolutions after a max pooling of 3 with stride 2. The last pooling is not part of LPIPS."""
ASSUMED_BYTES = 12 * 10**6


class Perceptual(Network):
    """Views to distances of neighbours.

    Args:
        features: AlexNet's convolutions.
        heads: (C,) weights of each layer's channels.
        device: Where it will run.
    """

    def __init__(self, features: AlexFeatures, heads: nn.ParameterList, device: torch.device) -> None:
        super().__init__([features, heads], device)
        self._features, self._heads = features, heads
        self._compare_all = self.record(self._compare)

    def distances(self, images: Tensor, batch: int) -> Tensor:
        """(N,) float32: of each of (N, H, W, 3) uint8 views to the next, of the last to the first.

        Args:
            images: The views.
            batch: Pairs compared at once.
        """
        with self.running():
            return pairs_in_batches(self._compare_all, images, batch)

    def rehearse(self, images: Tensor) -> None:
        """See `Network`."""
        self.distances(images, len(images))

    def _compare(self, images: Tensor) -> Tensor:
        layers = self._features(_normalised(lpips_input(images)))
        distances = [_distance(layer, head) for layer, head in zip(layers, self._heads, strict=True)]
        return torch.stack(distances).sum(dim=0)


class AlexFeatures(nn.Module):
    """AlexNet up to its last convolution, with what each one gives.

    Args:
        weights: torchvision's state, of which `features.*` is used.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict({str(n): _convolution(weights, n) for n in CONVOLUTIONS})

    def forward(self, values: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> five (N, C, h, w) after their ReLU."""
        found = []
        for number in CONVOLUTIONS:
            if number in POOLED_BEFORE:
                values = nn.functional.max_pool2d(values, kernel_size=3, stride=2)
            values = torch.relu(self.convolutions[str(number)](values))
            found.append(values)
        return found


def _convolution(weights: dict[str, Tensor], number: int) -> nn.Conv2d:
    kernel, bias = weights[f"features.{number}.weight"], weights[f"features.{number}.bias"]
    stride, padding = CONVOLUTIONS[number]
    made = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[-1], stride, padding)
    made.load_state_dict({"weight": kernel, "bias": bias})
    return made


def _normalised(pixels: Tensor) -> Tensor:
    """Pixels in 0..1 as AlexNet wants them. Made on the device: a copy from the host can't be recorded."""
    planes = [
        (2.0 * pixels[:, channel] - 1.0 - shift) / scale
        for channel, (shift, scale) in enumerate(zip(SHIFT, SCALE, strict=True))
    ]
    return torch.stack(planes, dim=1)


def _distance(features: Tensor, head: Tensor) -> Tensor:
    """(N,) of (N, C, h, w): what this layer adds to the distance of each view to the next."""
    lengths = torch.sqrt(LENGTH_EPS + features.square().sum(dim=1, keepdim=True))
    directions = features / lengths
    apart = (directions - directions.roll(-1, dims=0)).square()
    return (apart * head[:, None, None]).sum(dim=1).mean(dim=(1, 2))


def load_perceptual(settings: ValidationTable, device: torch.device, *, compiled: bool = False) -> Perceptual:
    """Reads the network on the host. Nothing of it is worth compiling.

    Raises:
        UnavailableError: missing packages, or missing, damaged or unfitting weights.
    """
    backbone, heads_file = find_lpips(settings)
    with explained("LPIPS", backbone.path):
        features = AlexFeatures(read_weights(backbone))
    with explained("LPIPS's heads", heads_file.path):
        heads = read_weights(heads_file)
        layers = [heads[f"lin{n}.model.1.weight"].reshape(-1) for n in range(len(CONVOLUTIONS))]
        return Perceptual(features, nn.ParameterList(layers), device)


def find_perceptual(settings: ValidationTable) -> Path:
    """The backbone's file; see `find_lpips`."""
    return find_lpips(settings)[0].path
