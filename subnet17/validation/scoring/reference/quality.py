"""How good each view looks: DINOv2-small, fine-tuned by the network's owners, with one linear layer on top.

The CLS token of the last layer goes through `score_head` and a sigmoid. In float32, as officially: rounding
to TF32 alone moves the score in its third decimal.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subnet17.errors import UnavailableError
from subnet17.gpu.compiled_blocks import repeated_blocks
from subnet17.gpu.vision_names import renamed_vision_weights
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import ValidationTable
from subnet17.validation.scoring.reference.foreign import explained
from subnet17.validation.scoring.reference.network import Network, in_batches
from subnet17.validation.scoring.reference.pictures import quality_input
from subnet17.validation.scoring.reference.split_linear import pays_on, split_linears, tf32_products

WEIGHTS_FILE = "quality_scorer.safetensors"
CONFIG_FILE = "config.json"
BACKBONE, HEAD = "backbone.", "score_head."
UNUSED = frozenset({"embeddings.mask_token"})
"""Of the backbone: it stands for hidden patches while training."""
ASSUMED_BYTES = 270 * 10**6
"""With split weights; a third of it otherwise."""


class QualityNetwork(Network):
    """Views to quality.

    Args:
        backbone: transformers' Dinov2Model.
        head: Linear layer to one number.
        device: Where it will run.
        compiled: Compile the layers while warming up.
        backend: Of `torch.compile`.
        splits: Compute float32 products as three TF32 ones; None: where that is faster.
    """

    def __init__(
        self,
        backbone: Any,
        head: nn.Linear,
        device: torch.device,
        *,
        compiled: bool = False,
        backend: str | Any = "inductor",
        splits: bool | None = None,
    ) -> None:
        self._splits = pays_on(device) if splits is None else splits
        self._backbone, self._head = backbone, nn.Sequential(head)
        if self._splits:
            split_linears(self._backbone)
            split_linears(self._head)
        modules = [self._backbone, self._head]
        super().__init__(
            modules, device, blocks=repeated_blocks(backbone), compiled=compiled, backend=backend
        )
        self._judge_all = self.record(self._judge)

    def scores(self, images: Tensor, batch: int) -> Tensor:
        """(N,) float32 in 0..1 of (N, H, W, 3) uint8 views, `batch` at a time."""
        with self.running(), tf32_products() if self._splits else nullcontext():
            return in_batches(self._judge_all, images, batch)

    def rehearse(self, images: Tensor) -> None:
        """See `Network`."""
        self.scores(images, len(images))

    def _judge(self, images: Tensor) -> Tensor:
        tokens = self._backbone(quality_input(images)).last_hidden_state
        scores: Tensor = torch.sigmoid(self._head(tokens[:, 0])[:, 0])
        return scores


def find_quality(settings: ValidationTable) -> tuple[Path, Path]:
    """The file of weights and the backbone's configuration.

    Raises:
        UnavailableError: missing, damaged, or not to be fetched.
    """
    weights = resolve_weights(
        settings.quality_model,
        revision=settings.quality_revision,
        patterns=[WEIGHTS_FILE],
        required=[WEIGHTS_FILE],
    )
    config = resolve_weights(
        settings.quality_backbone,
        revision=settings.quality_backbone_revision,
        patterns=[CONFIG_FILE],
        required=[CONFIG_FILE],
    )
    return weights / WEIGHTS_FILE, config / CONFIG_FILE


def load_quality(
    settings: ValidationTable, device: torch.device, *, compiled: bool = False
) -> QualityNetwork:
    """Reads the network on the host.

    Raises:
        UnavailableError: missing packages, or missing, damaged or unfitting weights.
    """
    weights_file, config_file = find_quality(settings)
    with explained("the quality network", weights_file):
        from safetensors.torch import load_file  # noqa: PLC0415 - only the GPU installation has it
        from transformers import Dinov2Config, Dinov2Model  # noqa: PLC0415

        weights = load_file(weights_file)
        backbone = Dinov2Model(Dinov2Config.from_json_file(config_file))
        head = nn.Linear(backbone.config.hidden_size, 1)
        _fill(backbone, _part(weights, BACKBONE), weights_file)
        head.load_state_dict(_part(weights, HEAD))
        return QualityNetwork(backbone, head, device, compiled=compiled)


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _fill(backbone: Any, weights: dict[str, Tensor], file: Path) -> None:
    """The official code leaves what the file lacks as pretrained, without a word; here that is an error."""
    wanted = backbone.state_dict().keys()
    found = renamed_vision_weights(weights, wanted)
    missing = sorted(wanted - found.keys() - UNUSED)
    strange = sorted(found.keys() - wanted)
    if missing or strange:
        raise UnavailableError(
            f"{file} does not hold this backbone: {len(missing)} weights missing ({', '.join(missing[:3])}),"
            f" {len(strange)} unknown ({', '.join(strange[:3])})",
            file=str(file),
            missing=missing[:20],
            unknown=strange[:20],
        )
    backbone.load_state_dict(found, strict=False)
