"""A mesh seen by the validators' 16 cameras, drawn by pyrender: what scorers and previews look at.

Drawn as its splats would be: fitted like them, base colours only, no lights, both sides of each face, opaque,
on white. Bounded before anything is drawn, because a few bytes can ask for endless work: faces, pixels of
textures and painted pixels; and between two views by the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from subnet17.deadline import Deadline
from subnet17.errors import AssetError, DeadlineError, TooLargeError
from subnet17.splat.cameras import FIT_EXTENT, RADIUS, Cameras, RenderedViews
from subnet17.splat.mesh_colours import MID_GREY
from subnet17.validation.mesh_gl import GlThread

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

MAX_FACES = 250_000
"""Of a mesh that is drawn: a software renderer takes about 1 us for one in each view."""
MAX_PAINTED_PX = 50_000_000
"""Of one view, faces behind others counted: two cores take about 4 ns for one, so 16 views up to 4 s."""
EDGE_PX = 2.0
"""What a pixel of a face's longest side costs beside its area: needles have none, but cross many tiles."""
MAX_TEXTURE_SIDE_PX = 2048
"""Larger textures are reduced: a view is 518 px wide."""
MAX_REPEATS = 1e6
"""Of a texture, either way: whole numbers beyond it have no fractions that a driver could look up."""
MAX_DRAWING_S = 10.0
"""For all views of one mesh."""

_NEAREST = RADIUS - FIT_EXTENT * 3**0.5 / 2
"""Distance of the camera from the nearest place that a fitted, centred mesh can have."""


def render_mesh(
    mesh: trimesh.Trimesh, cameras: Cameras, gl: GlThread, *, deadline: Deadline | None = None
) -> RenderedViews:
    """Draws a mesh that `mesh_file.read_mesh` has accepted.

    Args:
        mesh: Any `visual`; without colours it is mid grey.
        cameras: The official ones or some of them, any size of image.
        gl: What draws.
        deadline: When to give up; at most `MAX_DRAWING_S` in any case.

    Returns:
        RGB over white, and alphas; both antialiased by four samples.

    Raises:
        AssetError: no faces with an extent. TooLargeError: over a limit of this file.
        UnavailableError: neither EGL nor OSMesa works here. DeadlineError: not finished in time.
    """
    vertices = fit_mesh(mesh)
    _check_cost(vertices, mesh.faces, cameras)
    surface = _surface_of(mesh, vertices)
    limit = Deadline.after(MAX_DRAWING_S if deadline is None else min(deadline.remaining_s, MAX_DRAWING_S))
    return gl.run(lambda pyrender, renderer: _draw(pyrender, renderer, surface, cameras, limit))


def fit_mesh(mesh: trimesh.Trimesh) -> Float64:
    """(V, 3) vertices placed where the splats of the converted mesh are rendered.

    The converter centres the bounding box and scales its longest side to 1.5; the validators then subtract
    one scalar, the mean over all coordinates of all splats, which lie evenly over the area.

    Raises:
        AssetError: the faces have no extent or no area.
    """
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
    corners = vertices[faces]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        extent = float((high - low).max())
        placed = (vertices - (low / 2 + high / 2)) * (FIT_EXTENT / extent) if extent > 0 else vertices
    if not 0 < extent < np.inf:
        raise AssetError(f"the mesh's longest side is {extent:g}, expected a positive, finite number")
    corners = placed[faces]
    areas = _areas(corners)
    if not areas.sum() > 0:
        raise AssetError("the mesh's faces have no area")
    return placed - float(np.average(corners.mean(axis=(1, 2)), weights=areas))


def _areas(corners: Float64) -> Float64:
    """(F,) areas of (F, 3, 3) triangles."""
    areas: Float64 = 0.5 * np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    return areas


def _check_cost(vertices: Float64, faces: Any, cameras: Cameras) -> None:
    if len(faces) > MAX_FACES:
        raise TooLargeError(
            f"{len(faces)} faces, at most {MAX_FACES} are drawn", faces=len(faces), limit=MAX_FACES
        )
    # A face covers the most where it is nearest and seen from the front.
    scale_px, corners = cameras.focal_px / _NEAREST, vertices[faces]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    covered_px = np.minimum(scale_px**2 * _areas(corners), cameras.size_px**2)
    painted = int((covered_px + EDGE_PX * np.minimum(scale_px * sides, cameras.size_px)).sum())
    limit = int(MAX_PAINTED_PX * max(1.0, (cameras.size_px / 518) ** 2))
    if painted > limit:
        raise TooLargeError(
            f"faces behind each other paint up to {painted:.2g} pixels a view, at most {limit:.2g} are drawn",
            painted_px=painted,
            limit=limit,
        )


@dataclass(frozen=True)
class _Surface:
    """What is drawn. Per corner where faces have colours of their own, else per vertex with `indices`.

    Attributes:
        positions: (P, 3). indices: (F, 3); None: three positions a face. colours: (P, 4) in 0..1 or None.
        uv: (P, 2) or None. texture: (H, W, 4) uint8 or None. factor: (4,) RGBA that all is multiplied by.
    """

    positions: Float32
    indices: NDArray[np.uint32] | None
    colours: Float32 | None = None
    uv: Float32 | None = None
    texture: NDArray[np.uint8] | None = None
    factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)


def _surface_of(mesh: trimesh.Trimesh, vertices: Float64) -> _Surface:
    """The same colours as `splat.mesh_colours` reads: alpha is ignored, what has no colours is grey."""
    visual, faces = mesh.visual, np.asarray(mesh.faces)
    positions, indices = vertices.astype(np.float32), faces.astype(np.uint32)
    if visual.kind == "vertex" and len(visual.vertex_colors) == len(vertices):
        return _Surface(positions, indices, colours=_opaque(visual.vertex_colors))
    if visual.kind == "face" and len(visual.face_colors) == len(faces):
        colours = np.repeat(_opaque(visual.face_colors), 3, axis=0)
        return _Surface(positions[faces].reshape(-1, 3), None, colours=colours)
    if visual.kind == "texture":
        return _textured(visual, positions, indices)
    return _Surface(positions, indices, factor=(MID_GREY, MID_GREY, MID_GREY, 1.0))


def _textured(visual: Any, positions: Float32, indices: NDArray[np.uint32]) -> _Surface:
    material, uv = visual.material, visual.uv
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None or uv is None or len(uv) != len(positions):
        return _Surface(positions, indices, factor=_factor(material.main_color))
    factor = getattr(material, "baseColorFactor", None)
    places = np.nan_to_num(np.asarray(uv, np.float32)[:, :2], posinf=0.0, neginf=0.0)
    places = places.clip(-MAX_REPEATS, MAX_REPEATS)
    return _Surface(
        positions,
        indices,
        uv=places,
        texture=_texels(image),
        factor=(1.0, 1.0, 1.0, 1.0) if factor is None else _factor(factor),
    )


def _opaque(colours: Any) -> Float32:
    """(N, 4) in 0..1 with an alpha of 1, of colours stored as integers or floats."""
    values = np.asarray(colours)[..., :3]
    top = np.float32(255 if np.issubdtype(values.dtype, np.integer) else 1)
    unit = np.ones((*values.shape[:-1], 4), np.float32)
    unit[..., :3] = values / top
    return unit


def _factor(colour: Any) -> tuple[float, float, float, float]:
    red, green, blue, alpha = (float(value) for value in _opaque(colour))
    return red, green, blue, alpha


def _texels(image: Image.Image) -> NDArray[np.uint8]:
    """The picture as opaque RGBA of at most 2048 px a side: OpenGL wants rows of whole 4 bytes."""
    try:
        image.draft("RGB", (MAX_TEXTURE_SIDE_PX, MAX_TEXTURE_SIDE_PX))  # a JPEG is decoded smaller at once
        picture = image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many kinds
        raise AssetError(f"the texture can't be decoded: {type(error).__name__}") from None
    picture.thumbnail((MAX_TEXTURE_SIDE_PX, MAX_TEXTURE_SIDE_PX), Image.Resampling.BOX)
    picture.putalpha(255)
    return np.asarray(picture)


def _draw(
    pyrender: Any, renderer: Any, surface: _Surface, cameras: Cameras, limit: Deadline
) -> RenderedViews:
    """In the drawing thread. Textures and buffers are freed whatever happens."""
    size_px = cameras.size_px
    renderer.viewport_width = renderer.viewport_height = size_px
    scene = pyrender.Scene(bg_color=np.array([1.0, 1.0, 1.0, 0.0]))
    scene.add(_make_mesh(pyrender, surface))
    camera = pyrender.IntrinsicsCamera(
        cameras.focal_px, cameras.focal_px, size_px / 2, size_px / 2, znear=cameras.near, zfar=cameras.far
    )
    node = scene.add(camera)
    flags = pyrender.RenderFlags.FLAT | pyrender.RenderFlags.SKIP_CULL_FACES | pyrender.RenderFlags.RGBA
    images = np.empty((len(cameras), size_px, size_px, 4), np.uint8)
    try:
        for index, viewmat in enumerate(cameras.viewmats):
            if limit.remaining_s <= 0:
                raise DeadlineError(f"drew {index} of {len(cameras)} views of the mesh in time")
            scene.set_pose(node, np.linalg.inv(viewmat) @ np.diag([1.0, -1.0, -1.0, 1.0]))  # to OpenGL's axes
            images[index] = renderer.render(scene, flags=flags)[0]
    finally:
        renderer._renderer._update_context(pyrender.Scene(), flags)  # an empty scene frees what this one took
    return RenderedViews(
        images=np.ascontiguousarray(images[..., :3]),
        alphas=(images[..., 3] / np.float32(255)).astype(np.float32),
    )


def _make_mesh(pyrender: Any, surface: _Surface) -> Any:
    texture = None
    if surface.texture is not None:
        texture = pyrender.Texture(source=surface.texture, source_channels="RGBA")
    material = pyrender.MetallicRoughnessMaterial(
        alphaMode="OPAQUE",
        doubleSided=True,
        baseColorFactor=np.array(surface.factor, np.float64),
        baseColorTexture=texture,
    )
    primitive = pyrender.Primitive(
        positions=surface.positions,
        indices=surface.indices,
        color_0=surface.colours,
        texcoord_0=surface.uv,
        material=material,
        mode=pyrender.constants.GLTF.TRIANGLES,
    )
    return pyrender.Mesh([primitive])
