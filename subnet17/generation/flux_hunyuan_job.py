"""One request through the stages of flux-hunyuan: picture, shape, surface, colours, bytes.

Splats come straight from the field and mesh formats from a mesh of it, coloured by the picture. Where a
painter is there and wanted, both come from a mesh that it textured; where it fails, as without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trimesh
from PIL import Image
from torch import Tensor

from subnet17.deadline import Deadline
from subnet17.errors import InvalidInputError, S17Error, StageError
from subnet17.generation.asset import GeneratedAsset, write_cloud, write_mesh
from subnet17.generation.colour.colour_surface import colour_surface
from subnet17.generation.colour.mesh_colours import colour_mesh, with_vertex_colours
from subnet17.generation.colour.paint import FACES, Painter, ends_the_job
from subnet17.generation.picture.background import Background, cut_out, frame
from subnet17.generation.picture.text_to_image import TextToImage
from subnet17.generation.profiles import Work, plan_work, wants_paint
from subnet17.generation.request import GenerationRequest
from subnet17.generation.shape.field_decoder import BATCH_POINTS
from subnet17.generation.shape.image_to_shape import ImageToShape, ShapeLease
from subnet17.generation.shape.shape_to_mesh import field_to_mesh
from subnet17.gpu.pressure import Level, Pressure, attempt
from subnet17.log import get_logger
from subnet17.serving.inputs import read_image
from subnet17.serving.stages import Stages
from subnet17.settings import GenerationTable
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.from_field import find_surface
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.surface_cloud import surface_to_cloud

R = TypeVar("R")

log = get_logger()

PAINTINGS = 3
"""Pictures that are painted for a prompt at the most, until the background of one can be told apart."""
SEED_STEP = 0x1E3779B97F4A7C15
"""Between the seeds of these pictures: far apart, so that neighbouring seeds share none."""
SEEDS = 2**63
MIN_BATCH_POINTS = 1024
MAX_PICTURE_PX = 1024
"""Side of the framed picture: what is sent may have 4096, and the splats show no more."""


@dataclass(frozen=True)
class Pieces:
    """What jobs share. Without a painter the picture's own colours are used."""

    settings: GenerationTable
    text_to_image: TextToImage
    background: Background
    image_to_shape: ImageToShape
    pressure: Pressure
    free: Callable[[], object]
    painter: Painter | None = None


@dataclass(frozen=True)
class FluxHunyuanJob:
    """One request. Runs once.

    Attributes:
        pieces: The models and their surroundings.
        request: What is asked for.
        deadline: Checked before each stage, and inside the long ones.
    """

    pieces: Pieces
    request: GenerationRequest
    deadline: Deadline
    stages: Stages = field(default_factory=Stages)
    notes: list[str] = field(default_factory=list)

    def run(self) -> GeneratedAsset:
        """Makes the asset; errors are those of `FluxHunyuan.generate`."""
        picture = self._draw() if self.request.image is None else self._read()
        latents = self._make_latents(picture)
        painted = self._make_painted(latents, picture)
        if self.request.format in {"glb", "mesh_ply"}:
            data, splats = self._write_mesh(painted or self._make_mesh(latents, picture)), 0
        else:
            cloud = self._cover(painted) if painted else self._make_cloud(latents, picture)
            with self.stages("write"):
                data = write_cloud(cloud, "ply" if self.request.format == "ply" else "spz")
            splats = len(cloud)
        return GeneratedAsset(data, splats, self.notes, self.stages.timings_s)

    def _attempt(self, work: Callable[[Work, Level], R]) -> R:
        pieces, profile = self.pieces, self.request.profile
        return attempt(
            lambda level: work(plan_work(pieces.settings, profile, level), level),
            pressure=pieces.pressure,
            free=pieces.free,
        )

    def _read(self) -> Image.Image:
        assert self.request.image is not None  # noqa: S101 - a request has a prompt or an image
        with self.stages("read"):
            image = read_image(self.request.image, field="prompt_image")
        return self._cut_out(image)

    def _draw(self) -> Image.Image:
        refusal = InvalidInputError("nothing was painted")
        for number in range(PAINTINGS):
            seed = (self.request.seed + number * SEED_STEP) % SEEDS
            with self.stages("text_to_image"):
                image = self._attempt(lambda work, _, seed=seed: self._draw_one(seed, work))  # type: ignore[misc]
            try:
                return self._cut_out(image)
            except InvalidInputError as error:
                refusal = error
                self.notes.append(f"picture {number + 1} was not used: {error.message}")
        raise StageError(f"background failed: {refusal.message}", stage="background", pictures=PAINTINGS)

    def _draw_one(self, seed: int, work: Work) -> Image.Image:
        assert self.request.prompt is not None  # noqa: S101 - a request has a prompt or an image
        return self.pieces.text_to_image(
            self.request.prompt,
            [seed],
            size_px=work.image_size_px,
            steps=work.image_steps,
            deadline=self.deadline,
        )[0]

    def _cut_out(self, image: Image.Image) -> Image.Image:
        """RGBA of the object alone, framed as the shape model wants it."""
        with self.stages("background"):
            cut, notes = cut_out(image, self.pieces.background)
            framed = frame(cut, min(max(image.size), MAX_PICTURE_PX))
        self.notes.extend(notes)
        return framed

    def _make_latents(self, picture: Image.Image) -> Tensor:
        guidance = self.pieces.settings.guidance_scale
        with self.stages("shape"), self.pieces.image_to_shape.lease(self.deadline) as held:
            return self._attempt(
                lambda work, _: held.latents(
                    picture, [self.request.seed], steps=work.shape_steps, guidance=guidance
                )
            )

    def _make_cloud(self, latents: Tensor, picture: Image.Image) -> GaussianCloud:
        self.deadline.check("surface")
        with self.stages("surface"), self.pieces.image_to_shape.lease(self.deadline) as held:
            surface = self._attempt(
                lambda work, level: find_surface(
                    _field(held, latents, level),
                    resolution=work.octree_resolution,
                    device=held.model.device,
                )
            )
        self.deadline.check("colour")
        with self.stages("colour"):
            rgb, notes = self._attempt(lambda *_: colour_surface(surface.points, surface.normals, picture))
        self.notes.extend(notes)
        with self.stages("splats"):
            return self._attempt(lambda work, _: surface_to_cloud(surface, rgb, count=work.splats))

    def _make_mesh(self, latents: Tensor, picture: Image.Image) -> trimesh.Trimesh:
        mesh = self._extract(latents)
        self.deadline.check("colour")
        with self.stages("colour"):
            coloured, notes = self._attempt(lambda *_: colour_mesh(mesh, picture, latents.device))
        self.notes.extend(notes)
        return coloured

    def _extract(self, latents: Tensor, most_faces: int = 10**9) -> trimesh.Trimesh:
        self.deadline.check("surface")
        with self.stages("surface"), self.pieces.image_to_shape.lease(self.deadline) as held:
            return self._attempt(
                lambda work, level: field_to_mesh(
                    _field(held, latents, level),
                    resolution=work.octree_resolution,
                    mc_algo=self.pieces.settings.mc_algo,
                    device=held.model.device,
                    faces=min(work.faces, most_faces),
                )
            )

    def _make_painted(self, latents: Tensor, picture: Image.Image) -> trimesh.Trimesh | None:
        """A textured mesh; None where none is wanted or painting failed, which is noted."""
        painter = self.pieces.painter
        if painter is None or not wants_paint(self.pieces.settings, self.request.profile):
            return None
        try:
            mesh = self._extract(latents, FACES)
            with self.stages("paint"), painter.lease(self.deadline) as paint:
                return self._attempt(lambda _, level: paint(mesh, picture, level))
        except S17Error as error:
            if ends_the_job(error):
                raise
            log.warning("not painted", why=error.message)
            self.notes.append(f"not painted, coloured from the picture instead: {error.message[:200]}")
            return None

    def _cover(self, painted: trimesh.Trimesh) -> GaussianCloud:
        with self.stages("splats"):
            return self._attempt(lambda work, _: mesh_to_splats(painted, count=work.splats))

    def _write_mesh(self, mesh: trimesh.Trimesh) -> bytes:
        with self.stages("write"):
            plain = self.request.format == "mesh_ply" and mesh.visual.kind == "texture"
            return write_mesh(with_vertex_colours(mesh) if plain else mesh, self.request.format)


def _field(held: ShapeLease, latents: Tensor, level: Level) -> Callable[[Tensor], Tensor]:
    """The shape's field, asked for fewer points at once where memory is short."""
    held.model.field_decoder.batch_points = max(MIN_BATCH_POINTS, int(BATCH_POINTS * level.batch_share))
    return held.decoder(latents)
