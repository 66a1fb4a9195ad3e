"""The embedded back end: prompt -> parametric parts -> coloured mesh -> splats, on any CPU.

Covers: text by the vocabulary of subnet17.procedural, pictures by silhouette and dominant colours.
Does not cover: anything learned. Same request, same bytes.
"""

from __future__ import annotations

from subnet17.generation.asset import GeneratedAsset, write_cloud, write_mesh
from subnet17.generation.profiles import splats_of
from subnet17.generation.request import GenerationRequest
from subnet17.procedural.make import Made, make_model, make_model_from_image
from subnet17.serving.inputs import read_image
from subnet17.serving.stages import Stages
from subnet17.settings import GenerationTable
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.visible import drop_hidden_faces

NAME = "procedural"


def load(settings: GenerationTable) -> None:
    """Imports and compiles everything once, by making a piece."""
    generate(GenerationRequest("a red ball", None, 0, "spz", "speed"), settings)


def generate(request: GenerationRequest, settings: GenerationTable) -> GeneratedAsset:
    """Makes one asset.

    Args:
        request: What is asked for.
        settings: The server's table, for the splat count of the balanced profile.

    Raises:
        InvalidInputError: the picture can't be decoded or shows nothing.
        StageError: a stage failed.
    """
    stages = Stages()
    with stages("model"):
        made = _make(request)
    if request.format in {"glb", "mesh_ply"}:
        with stages("write"):
            return GeneratedAsset(write_mesh(made.mesh, request.format), 0, made.notes, stages.timings_s)
    with stages("visible"):
        mesh = drop_hidden_faces(made.mesh)
    with stages("splats"):
        cloud = mesh_to_splats(
            mesh, count=splats_of(request.profile, settings.splat_count), seed=request.seed
        )
    with stages("write"):
        data = write_cloud(cloud, request.format)
    return GeneratedAsset(data, len(cloud), made.notes, stages.timings_s)


def _make(request: GenerationRequest) -> Made:
    if request.image is not None:
        return make_model_from_image(read_image(request.image, field="prompt_image"), seed=request.seed)
    assert request.prompt is not None  # noqa: S101 - a request has one of the two
    return make_model(request.prompt, seed=request.seed)
