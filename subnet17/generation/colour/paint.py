"""A mesh and a picture -> the mesh with a texture, by Hunyuan3D-Paint through hy3dgen. Slow, and optional.

Covers: any one CUDA device (hy3dgen names the first; here its objects are told which, and the current device
is set around each call); weights that move in and out like other models', all of them under one lease, since
hy3dgen calls both networks, the shadow remover and the view painter, within one call; a coarser texture where
memory is short; nothing of a request left on the device after it.
Not covered: deadlines between steps (80 of them, inside hy3dgen; the server ends a job that is late); another
seed than hy3dgen's own; its seeding of `random`, numpy and torch, which nothing else here draws from; a CPU,
for hy3dgen's control pictures go to "cuda" wherever the networks are. Its constructor, with that hard-coded
device and `torch.cuda.empty_cache`, is not run. Without a compiled `mesh_processor` a Python loop fills gaps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
import trimesh
from PIL import Image
from torch import Tensor, nn

from subnet17.deadline import Deadline
from subnet17.errors import DeviceLostError, S17Error, StageError
from subnet17.generation.colour.paint_checkpoint import find_paint, import_texgen, load_paint
from subnet17.gpu.faults import kind_of
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.gpu.pressure import Level
from subnet17.log import get_logger
from subnet17.settings import GenerationTable

NAME = "paint"
ASSUMED_BYTES = 7 * 10**9
"""In half precision, about: 2.6 GB shadow remover, 4.1 GB view painter."""
FACES = 40_000
"""Of a mesh to be painted: unwrapping and filling take time per face, and the texture has the detail."""
TEXTURE_PX = 2048
"""Side of the texture, and of the views that are laid over it."""

log = get_logger()


class Painter:
    """Hunyuan3D-Paint behind the model cache.

    Args:
        settings: Where its weights are.
        cache: Loads it at the first lease and moves it in and out.
        load: Brings hy3dgen's pipeline for a device; see `load_paint`.
    """

    def __init__(
        self,
        settings: GenerationTable,
        cache: ModelCache,
        *,
        load: Callable[[GenerationTable, torch.device], Any] = load_paint,
    ) -> None:
        self._settings = settings
        self._load = load
        self._device = torch.device(cache.card.device)
        self._cache = cache
        self._last_s = 0.0
        cache.register(NAME, self._loaded, ASSUMED_BYTES)

    @contextmanager
    def lease(self, deadline: Deadline) -> Iterator[Callable[[trimesh.Trimesh, Image.Image, Level], Any]]:
        """Holds the networks in place and yields `paint`.

        Raises:
            DeadlineError: they did not get there in time.
            StageError: less time is left than the last mesh took.
            UnavailableError: they can't be loaded, or there is no room.
        """
        if deadline.check(NAME) < self._last_s:
            raise StageError(
                f"{deadline.remaining_s:.0f} s are left, the last one took {self._last_s:.0f} s", stage=NAME
            )
        with self._cache.lease(NAME, deadline) as pipeline:
            yield lambda mesh, picture, level: self._paint(pipeline, mesh, picture, level)

    def warm_up(self, deadline: Deadline) -> None:
        """Loads the weights, so that the first mesh needn't wait for them.

        Raises:
            UnavailableError: they can't be loaded, and the settings insist on painting.
        """
        try:
            with self.lease(deadline):
                pass
        except S17Error as error:
            if self._settings.texture == "paint" or ends_the_job(error):
                raise
            log.warning("Hunyuan3D-Paint can't be loaded, going without", why=error.message)

    def _paint(
        self, pipeline: Any, mesh: trimesh.Trimesh, picture: Image.Image, level: Level
    ) -> trimesh.Trimesh:
        """The mesh with a texture.

        Args:
            pipeline: hy3dgen's.
            mesh: +Y up, its front towards +Z, faces outward; stays as it is.
            picture: RGBA of its front.
            level: Scales the texture's side.

        Raises:
            StageError: what came back has no texture.
        """
        started_s = time.monotonic()
        _set_size(pipeline, int(TEXTURE_PX * level.octree_share))
        copy = trimesh.Trimesh(np.array(mesh.vertices), np.array(mesh.faces), process=False)
        try:
            with torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext():
                painted = _plain(pipeline(copy, picture))
        finally:
            _forget(pipeline.render)
        self._last_s = time.monotonic() - started_s
        return painted

    def _loaded(self) -> Loaded:
        pipeline = self._load(self._settings, self._device)
        parts = [part for model in pipeline.models.values() for part in model.pipeline.components.values()]
        return Loaded(pipeline, [part for part in parts if isinstance(part, nn.Module)])


def choose_painter(settings: GenerationTable, cache: ModelCache) -> tuple[Painter | None, str]:
    """The painter, where the settings want one and it can run; and why.

    Raises:
        UnavailableError: "paint" is set, and compiled parts or weights are missing.
    """
    if settings.texture == "projection":
        return None, "chosen by the settings"
    try:
        import_texgen()
        find_paint(settings)
    except S17Error as error:
        if settings.texture == "paint":
            raise
        return None, f"auto: {error.message}"
    why = "chosen by the settings" if settings.texture == "paint" else "auto: all its parts are there"
    return Painter(settings, cache), why


def ends_the_job(error: S17Error) -> bool:
    """Whether a failure of painting is more than a texture lost: no memory, no device, no time."""
    lasting = isinstance(error, DeviceLostError) or error.code == "deadline" or kind_of(error) is not None
    return lasting or error.detail.get("kind") == "memory"


def _set_size(pipeline: Any, side_px: int) -> None:
    pipeline.config.render_size = pipeline.config.texture_size = side_px
    pipeline.render.set_default_render_resolution(side_px)
    pipeline.render.set_default_texture_resolution(side_px)
    # pixels next to an outline that are not laid over the texture: as many as hy3dgen takes at its own size
    pipeline.render.bake_unreliable_kernel_size = side_px * 2 // 512


def _forget(render: Any) -> None:
    """Drops a renderer's last mesh and texture, which it would keep on the device."""
    for name, value in list(vars(render).items()):
        if isinstance(value, Tensor | trimesh.Trimesh):
            setattr(render, name, None)


def _plain(painted: Any) -> trimesh.Trimesh:
    """hy3dgen's mesh with a material that is not shiny."""
    image = getattr(getattr(painted.visual, "material", None), "image", None)
    uv = getattr(painted.visual, "uv", None)
    if image is None or uv is None or len(uv) != len(painted.vertices) or not np.isfinite(uv).all():
        raise StageError("the painter gave no texture", stage=NAME)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=image.convert("RGB"), metallicFactor=0.0, roughnessFactor=1.0
    )
    visual = trimesh.visual.TextureVisuals(uv=np.asarray(uv), material=material)
    return trimesh.Trimesh(painted.vertices, painted.faces, visual=visual, process=False)
