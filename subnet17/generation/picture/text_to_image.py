"""Prompt -> pictures of one object on a plain ground, by FLUX.

Two models in the cache, "text_encoder" and "image", come from one pipeline that is read once. A prompt that
was asked for lately skips the text encoder: its embeddings are kept.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from subnet17.deadline import Deadline
from subnet17.errors import UnavailableError
from subnet17.generation.picture.flux_checkpoint import load_flux
from subnet17.generation.picture.shaped_prompt import shape_prompt
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.settings import GenerationTable

if TYPE_CHECKING:  # torch takes seconds to import; the server process never does
    from subnet17.generation.picture.flux_parts import Embedding
    from subnet17.generation.picture.flux_plan import Plan

TEXT_ENCODER = "text_encoder"
IMAGE = "image"

TEXT_BYTES = 10 * 10**9
IMAGE_BYTES = 24 * 10**9
"""In bfloat16, assumed until measured; half of it in fp8."""

KEPT_EMBEDDINGS = 16
"""2 MB each for FLUX.1, 8 MB for klein, on the card."""

WARM_UP_PROMPT = "a red ball"


class TextToImage:
    """FLUX behind a model cache. One call at a time.

    Args:
        settings: The generation server's table.
        cache: Where both halves are registered.
        load: Gives the diffusers pipeline, on the CPU or already on the card.
        plan: What is done to it; None: what suits the settings and the card.
        inductor_cache: Where compiled kernels are kept between runs; None: where PyTorch keeps them.
    """

    def __init__(
        self,
        settings: GenerationTable,
        cache: ModelCache,
        *,
        load: Callable[[GenerationTable], Any] = load_flux,
        plan: Plan | None = None,
        inductor_cache: Path | None = None,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._load = load
        self._plan = plan
        self._pipeline: Any = None
        self._wanting = {TEXT_ENCODER, IMAGE}
        self._embeddings: OrderedDict[str, Embedding] = OrderedDict()
        if inductor_cache is not None:
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(inductor_cache))
        share = 1 if settings.weights_precision == "bf16" else 2
        cache.register(TEXT_ENCODER, self._load_text, TEXT_BYTES // share)
        cache.register(IMAGE, self._load_image, IMAGE_BYTES // share)

    def __call__(
        self, prompt: str, seeds: Sequence[int], *, size_px: int, steps: int, deadline: Deadline
    ) -> list[Image.Image]:
        """One RGB picture per seed; the same seed gives the same picture in any batch and on any card.

        Up to the rounding of the card's kernels, that is: noise and prompt are the same to the bit.

        Args:
            prompt: The user's words; what 3D needs is added where they leave it open.
            seeds: 0 to 2**63 - 1, at least one; one batch.
            size_px: Side; rounded down to a multiple of 16.
            steps: Of denoising.
            deadline: When the answer is no longer wanted.

        Raises:
            DeadlineError: there is no time left to start a stage.
            UnavailableError: the weights can't be loaded.
        """
        return self._paint(prompt, seeds, size_px, steps, deadline, may_compile=False)

    def warm_up(
        self, sizes_px: Sequence[int], batches: Sequence[int] = (1,), *, steps: int = 1, deadline: Deadline
    ) -> None:
        """Loads both halves and compiles them for these shapes; others run uncompiled, at half the speed."""
        for size_px in sizes_px:
            for batch in batches:
                self._paint(WARM_UP_PROMPT, range(batch), size_px, steps, deadline, may_compile=True)

    def _paint(
        self,
        prompt: str,
        seeds: Sequence[int],
        size_px: int,
        steps: int,
        deadline: Deadline,
        *,
        may_compile: bool,
    ) -> list[Image.Image]:
        embedding = self._embed(shape_prompt(prompt), deadline)
        deadline.check("image")
        with self._cache.lease(IMAGE, deadline) as half:
            pictures: list[Image.Image] = half.paint(
                embedding, seeds, size_px=size_px, steps=steps, may_compile=may_compile
            )
        return pictures

    def _embed(self, prompt: str, deadline: Deadline) -> Embedding:
        if prompt in self._embeddings:
            self._embeddings.move_to_end(prompt)
            return self._embeddings[prompt]
        deadline.check("text_encoder")
        with self._cache.lease(TEXT_ENCODER, deadline) as half:
            self._cache.prefetch(IMAGE)  # its transfer runs beside the encoding, if there is room for both
            embedding: Embedding = half.encode(prompt)
        self._embeddings[prompt] = embedding
        if len(self._embeddings) > KEPT_EMBEDDINGS:
            self._embeddings.popitem(last=False)
        return embedding

    def forget(self) -> None:
        """Drops the kept embeddings, to free their memory."""
        self._embeddings.clear()

    def _load_text(self) -> Loaded:
        from subnet17.generation.picture.flux_parts import TextHalf  # noqa: PLC0415 - imports torch
        from subnet17.generation.picture.flux_plan import prepare_text  # noqa: PLC0415

        pipeline = self._whole_pipeline()
        prepare_text(pipeline, self._chosen())
        half = TextHalf(pipeline)
        self._let_go(TEXT_ENCODER)
        return Loaded(half, half.modules, half.recorded)

    def _load_image(self) -> Loaded:
        from subnet17.generation.picture.flux_parts import ImageHalf  # noqa: PLC0415 - imports torch
        from subnet17.generation.picture.flux_plan import prepare_image  # noqa: PLC0415

        pipeline = self._whole_pipeline()
        prepare_image(pipeline, self._chosen())
        half = ImageHalf(pipeline, compiled=self._chosen().compile)
        self._let_go(IMAGE)
        return Loaded(half, half.modules, half.recorded)

    def _whole_pipeline(self) -> Any:
        if self._pipeline is None:
            self._pipeline = self._load(self._settings)
        return self._pipeline

    def _let_go(self, name: str) -> None:
        """Forgets the whole pipeline once both halves have been taken: what was read would stay in memory."""
        self._wanting.discard(name)
        if not self._wanting:
            self._pipeline = None

    def _chosen(self) -> Plan:
        if self._plan is None:
            try:
                from subnet17.generation.picture.flux_plan import choose_plan  # noqa: PLC0415 - imports torch
            except ImportError as error:
                raise UnavailableError(
                    f"{error.name} is not installed: run ./setup_mining_environment.sh --gpu"
                ) from None
            self._plan = choose_plan(self._settings)
        return self._plan
