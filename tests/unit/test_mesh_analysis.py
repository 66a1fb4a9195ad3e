"""Mesh uploads: what is read, what is refused, what is measured."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from subnet17.errors import AssetError, S17Error, TooLargeError, UnknownFormatError
from subnet17.serving.inputs import IMAGE_MAX_PX, PNG_MAX_PACKED
from subnet17.validation.decode import inspect_mesh
from subnet17.validation.glb_file import MAX_PACKED_CHUNKS, rewrite_glb
from subnet17.validation.mesh import MeshReport, analyse_mesh
from subnet17.validation.mesh_file import read_mesh
from tests.hostile_pictures import (
    encode,
    glb_with_texture,
    join_glb,
    jpeg_of_scans,
    png_of_profiles,
    split_glb,
)

KINDS = ["ply", "glb", "obj"]


def export(mesh: trimesh.Trimesh, kind: str, **options: Any) -> bytes:
    data = mesh.export(file_type=kind, **options)
    return data.encode() if isinstance(data, str) else bytes(data)


def raw(vertices: Any, faces: Any) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices, faces, process=False)


def two_spheres() -> trimesh.Trimesh:
    spheres = [trimesh.creation.icosphere(subdivisions=2) for _ in range(2)]
    spheres[1].apply_translation((3, 0, 0))
    return trimesh.util.concatenate(spheres)


def test_box_is_a_watertight_solid() -> None:
    report = analyse_mesh(trimesh.creation.box(extents=(1, 2, 3)))
    assert report == MeshReport(
        vertices=8,
        faces=12,
        watertight=True,
        winding_consistent=True,
        components=1,
        degenerate_faces=0,
        duplicate_faces=0,
        open_edges=0,
        non_manifold_edges=0,
        genus=0,
        area=pytest.approx(22.0),
        volume=pytest.approx(6.0),
        bbox_low=(-0.5, -1.0, -1.5),
        bbox_high=(0.5, 1.0, 1.5),
        has_vertex_colours=False,
        has_texture=False,
    )


def test_report_is_json() -> None:
    report = analyse_mesh(trimesh.creation.box())
    tree = json.loads(json.dumps(report.as_json()))
    assert tree["bbox_high"] == [0.5, 0.5, 0.5]
    assert set(tree) == set(MeshReport.__dataclass_fields__)


def test_torus_has_one_handle() -> None:
    report = analyse_mesh(trimesh.creation.torus(1.0, 0.3))
    assert (report.watertight, report.genus, report.components) == (True, 1, 1)


def test_two_tori_have_two_handles_in_two_pieces() -> None:
    tori = [trimesh.creation.torus(1.0, 0.3) for _ in range(2)]
    tori[1].apply_translation((0, 0, 2))
    report = analyse_mesh(trimesh.util.concatenate(tori))
    assert (report.components, report.genus) == (2, 2)


def test_two_spheres_are_two_pieces() -> None:
    report = analyse_mesh(two_spheres())
    assert (report.components, report.genus, report.watertight) == (2, 0, True)


def test_boxes_that_touch_at_one_corner_are_two_pieces_without_handles() -> None:
    boxes = [trimesh.creation.box() for _ in range(2)]
    boxes[1].apply_translation((1, 1, 1))
    report = analyse_mesh(trimesh.util.concatenate(boxes))
    assert (report.components, report.genus, report.non_manifold_edges) == (2, 0, 0)


def test_open_plane_has_open_edges_and_no_volume() -> None:
    report = analyse_mesh(raw([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]]))
    assert (report.watertight, report.winding_consistent) == (False, True)
    assert (report.open_edges, report.volume, report.genus) == (4, None, None)
    assert report.area == pytest.approx(1.0)


def test_duplicated_faces_are_counted_in_any_order_of_corners() -> None:
    box = trimesh.creation.box()
    faces = np.vstack([box.faces, box.faces[:2, [1, 2, 0]], box.faces[:1, ::-1]])
    report = analyse_mesh(raw(box.vertices, faces))
    assert (report.duplicate_faces, report.watertight) == (3, False)
    assert report.non_manifold_edges == 5


def test_three_faces_on_one_edge_are_not_manifold() -> None:
    fan = raw([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, -1, 0]], [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    report = analyse_mesh(fan)
    assert (report.non_manifold_edges, report.open_edges, report.components) == (1, 6, 1)


def test_degenerate_faces_are_counted() -> None:
    box = trimesh.creation.box()
    vertices = np.vstack([box.vertices, [[9, 9, 9], [10, 10, 10], [11, 11, 11]]])
    report = analyse_mesh(raw(vertices, np.vstack([box.faces, [[0, 0, 1], [2, 3, 2], [8, 9, 10]]])))
    assert report.degenerate_faces == 3


def test_nothing_but_degenerate_faces_is_not_watertight() -> None:
    report = analyse_mesh(raw([[0, 0, 0], [1, 0, 0]], [[0, 1, 1], [0, 0, 0]]))
    assert (report.watertight, report.components, report.degenerate_faces) == (False, 0, 2)


def test_flipped_face_breaks_the_winding_only() -> None:
    box = trimesh.creation.box()
    faces = box.faces.copy()
    faces[0] = faces[0, ::-1]
    report = analyse_mesh(raw(box.vertices, faces))
    assert (report.watertight, report.winding_consistent, report.volume) == (True, False, None)


def test_vertices_split_at_seams_count_as_joined() -> None:
    box = trimesh.creation.box()
    report = analyse_mesh(raw(box.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3)))
    assert (report.vertices, report.watertight, report.components) == (36, True, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read(kind: str) -> None:
    torus = trimesh.creation.torus(1.0, 0.3)
    report = analyse_mesh(read_mesh(export(torus, kind)))
    assert (report.faces, report.genus, report.watertight) == (len(torus.faces), 1, True)
    assert report.volume == pytest.approx(torus.volume, rel=1e-4)


def test_ascii_ply_is_read() -> None:
    assert len(read_mesh(export(trimesh.creation.box(), "ply", encoding="ascii")).faces) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_vertex_colours_survive(kind: str) -> None:
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.tile([255, 0, 0, 255], (8, 1))
    mesh = read_mesh(export(box, kind))
    assert analyse_mesh(mesh).has_vertex_colours
    assert (np.asarray(mesh.visual.vertex_colors)[:, :3] == [255, 0, 0]).all()


def textured_sheet(image: Image.Image) -> trimesh.Trimesh:
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    sheet = raw(np.column_stack([uv, np.zeros(4)]), [[0, 1, 2], [0, 2, 3]])
    sheet.visual = trimesh.visual.TextureVisuals(uv=uv, image=image)
    return sheet


def test_texture_in_a_glb_is_found() -> None:
    report = analyse_mesh(read_mesh(export(textured_sheet(Image.new("RGB", (4, 4))), "glb")))
    assert (report.has_texture, report.has_vertex_colours) == (True, False)


def test_instances_in_a_glb_are_placed_and_counted() -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    for x in range(3):
        transform = trimesh.transformations.translation_matrix((2 * x, 0, 0))
        scene.add_geometry(box, geom_name="box", transform=transform)
    data = scene.export(file_type="glb")
    report = analyse_mesh(read_mesh(data, max_faces=36))
    assert (report.faces, report.components, report.bbox_high[0]) == (36, 3, 4.5)
    with pytest.raises(TooLargeError, match="36 faces"):
        read_mesh(data, max_faces=35)


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_faces_are_refused(kind: str) -> None:
    with pytest.raises(TooLargeError, match="faces"):
        read_mesh(export(two_spheres(), kind), max_faces=100)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(TooLargeError, match="bytes"):
        read_mesh(export(two_spheres(), "ply"), max_bytes=100)


@pytest.mark.parametrize("count", [b"element face 13", b"element face 4000000"])
def test_ply_header_that_promises_too_much_is_refused(count: bytes) -> None:
    for options in ({}, {"encoding": "ascii"}):
        data = export(trimesh.creation.box(), "ply", **options)
        with pytest.raises(AssetError, match="promises"):
            read_mesh(data.replace(b"element face 12", count))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"element face 12", b"element face -1"),
        (b"element face 12", b"element face 0"),
        (b"element vertex 8", b"element tristrips 8"),
        (b"property float x", b"property quad x"),
        (b"end_header", b"comment end"),
    ],
)
def test_ply_header_out_of_order_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(AssetError):
        read_mesh(export(trimesh.creation.box(), "ply").replace(old, new))


def test_ply_of_splats_is_not_a_mesh() -> None:
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nend_header\n"
    with pytest.raises(AssetError, match="faces"):
        read_mesh(header.encode() + bytes(4))


def rebuild_glb(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    tree, binary = split_glb(data)
    change(tree)
    return join_glb(tree, binary)


GLB_LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "external buffer": lambda tree: tree["buffers"][0].update(uri="http://example.org/a.bin"),
    "external image": lambda tree: tree.update(images=[{"uri": "file:///etc/passwd"}]),
    "draco": lambda tree: tree.update(extensionsRequired=["KHR_draco_mesh_compression"]),
    "buffer length": lambda tree: tree["buffers"][0].update(byteLength=10**12),
    "view length": lambda tree: tree["bufferViews"][0].update(byteLength=10**9),
    "view offset": lambda tree: tree["bufferViews"][0].update(byteOffset=-4),
    "accessor count": lambda tree: tree["accessors"][0].update(count=10**9),
    "accessor type": lambda tree: tree["accessors"][0].update(type="VEC9"),
    "accessor without view": lambda tree: tree["accessors"][0].pop("bufferView"),
    "count is text": lambda tree: tree["accessors"][0].update(count="many"),
    "count is no number": lambda tree: tree["accessors"][0].update(count=float("nan")),
    "node with two parents": lambda tree: tree.update(
        nodes=[{"children": [2]}, {"children": [2]}, {"mesh": 0}]
    ),
    "child that is not there": lambda tree: tree["nodes"][0].update(children=[99]),
    "flat vertices": lambda tree: tree["accessors"][1].update(type="VEC2"),
    "node in a circle": lambda tree: tree["nodes"].extend(
        [{"children": [len(tree["nodes"]) + 1]}, {"children": [len(tree["nodes"])]}]
    ),
    "length beyond all numbers": lambda tree: tree["bufferViews"][0].update(byteStride=1e999),
    "no meshes": lambda tree: tree.update(meshes=[], nodes=[{}]),
    "meshes is a number": lambda tree: tree.update(meshes=7),
}


@pytest.mark.parametrize("lie", GLB_LIES)
def test_glb_that_lies_is_refused(lie: str) -> None:
    with pytest.raises(AssetError):
        read_mesh(rebuild_glb(export(trimesh.creation.box(), "glb"), GLB_LIES[lie]))


def _chain(tree: dict[str, Any]) -> None:
    tree["nodes"] = [{"children": [node + 1]} for node in range(999)] + [{"mesh": 0}]
    tree["scenes"] = [{"nodes": [0]}]


def _share_texture(tree: dict[str, Any]) -> None:
    """A hundred materials with one picture: 64 KB of which trimesh makes an atlas of gigabytes."""
    tree["materials"] *= 100
    tree["meshes"][0]["primitives"] = [
        tree["meshes"][0]["primitives"][0] | {"material": i} for i in range(100)
    ]


GLB_BOMBS: dict[str, Callable[[dict[str, Any]], None]] = {
    "chain of nodes": _chain,
    "shared texture": _share_texture,
    "accessors": lambda tree: tree["accessors"].extend(tree["accessors"] * 1000),
    "primitives": lambda tree: tree["meshes"][0].update(primitives=tree["meshes"][0]["primitives"] * 600),
    "materials": lambda tree: tree.update(materials=[{}] * 600),
    "views": lambda tree: tree["bufferViews"].extend(tree["bufferViews"] * 1000),
    "nodes": lambda tree: tree["nodes"].extend([{}] * 1000),
    "copies": lambda tree: tree.update(nodes=[{"mesh": 0}] * 600, scenes=[{"nodes": [*range(600)]}]),
}


@pytest.mark.parametrize("bomb", GLB_BOMBS)
def test_glb_whose_few_bytes_ask_for_endless_work_is_refused(bomb: str) -> None:
    sheet = export(textured_sheet(Image.new("RGB", (2048, 2048))), "glb")
    assert len(read_mesh(sheet).faces) == 2
    with pytest.raises(TooLargeError):
        read_mesh(rebuild_glb(sheet, GLB_BOMBS[bomb]))


def test_vertices_that_primitives_share_count_each_time() -> None:
    data = export(two_spheres(), "glb")
    faces = len(two_spheres().faces)
    parts = rebuild_glb(
        data,
        lambda tree: tree["meshes"][0].update(primitives=tree["meshes"][0]["primitives"] * 8),
    )
    with pytest.raises(TooLargeError, match=r"faces|vertices"):
        read_mesh(parts, max_faces=2 * faces)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_text_has_a_limit_of_its_own(encoding: str) -> None:
    data = export(trimesh.creation.box(), "ply", encoding=encoding)
    if encoding == "binary":
        assert len(read_mesh(data, max_text_bytes=100).faces) == 12
        return
    with pytest.raises(TooLargeError, match="bytes"):
        read_mesh(data, max_text_bytes=100)
    with pytest.raises(AssetError, match="formats"):
        read_mesh(data.replace(b"format ascii", b"comment ASCII"), max_text_bytes=100)


def test_groups_of_an_obj_cost_nothing() -> None:
    corners = b"v 0 0 0\nv 0 0 1\nv 1 0 0\n"
    groups = b"".join(b"o a%d\nusemtl b%d\ng c\ns 1\nf 1 2 3 usemtl d\n" % (i, i) for i in range(20_000))
    assert len(read_mesh(corners + groups).faces) == 20_000  # seconds per thousand as it was


def test_polygons_of_an_obj_count_as_the_triangles_they_become() -> None:
    data = b"v 0 0 0\nv 0 0 1\nv 1 0 0\nf 1 2 3\nf" + b" 1/1 2 3" * 100 + b"\n"
    assert len(read_mesh(data, max_faces=299).faces) == 299
    with pytest.raises(TooLargeError, match="299 faces"):
        read_mesh(data, max_faces=298)


def test_a_large_mesh_is_told_and_not_analysed() -> None:
    data = export(trimesh.creation.icosphere(subdivisions=7), "ply")
    answer = inspect_mesh(data)[0]
    assert answer["kind"] == "mesh" and answer["mesh"] is None
    assert "not analysed" in answer["mesh_error"] and "327680 faces" in answer["mesh_error"]


@pytest.mark.parametrize("cut", [8, 19, 40, -1])
def test_glb_that_is_cut_is_refused(cut: int) -> None:
    with pytest.raises(AssetError):
        read_mesh(export(trimesh.creation.box(), "glb")[:cut])


def test_texture_bomb_is_refused() -> None:
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    data = export(textured_sheet(Image.open(bomb)), "glb")
    with pytest.raises(TooLargeError, match="texture"):
        read_mesh(data)


@pytest.mark.parametrize("form", ["EPS", "ICO", "GIF", "TIFF", "WEBP"])
def test_a_texture_of_a_format_that_glb_does_not_know_is_refused_unopened(form: str) -> None:
    """Pillow would start Ghostscript for an EPS and unpack an ICO to look at it."""
    with pytest.raises(AssetError, match="PNG, JPEG"):
        read_mesh(glb_with_texture(encode(Image.new("RGB", (8, 8)), form)))


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (jpeg_of_scans(2500), "scans"),
        (jpeg_of_scans(2500, "MPO"), "scans"),
        (png_of_profiles(PNG_MAX_PACKED + 1), "compressed chunks"),
        (encode(Image.new("1", (IMAGE_MAX_PX + 1, 8)), "PNG"), "px a side"),
    ],
    ids=["scans", "further pictures", "profiles", "side"],
)
def test_a_texture_that_takes_long_is_refused_as_a_prompt_picture_is(picture: bytes, told: str) -> None:
    with pytest.raises(TooLargeError, match=told):
        read_mesh(glb_with_texture(picture))


def test_many_textures_may_not_unpack_to_much_together() -> None:
    def copy_texture(tree: dict[str, Any]) -> None:
        count = MAX_PACKED_CHUNKS // PNG_MAX_PACKED + 1
        tree["bufferViews"] += [tree["bufferViews"][tree["images"][0]["bufferView"]]] * (count - 1)
        last = len(tree["bufferViews"])
        tree["images"] += [{"bufferView": view} for view in range(last - count + 1, last)]
        tree["textures"] = [{"source": place} for place in range(count)]
        tree["materials"] = [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": place}}} for place in range(count)
        ]

    tree, binary = split_glb(glb_with_texture(png_of_profiles(PNG_MAX_PACKED)))
    copy_texture(tree)
    with pytest.raises(TooLargeError, match="compressed chunks"):
        read_mesh(join_glb(tree, binary + bytes(10 * len(binary))))


def test_a_picture_that_many_images_name_is_handed_on_once() -> None:
    data = rebuild_glb(
        glb_with_texture(encode(Image.new("RGB", (8, 8)), "PNG")),
        lambda tree: tree.update(images=tree["images"] * 2000, textures=[{"source": 1999}]),
    )
    tree, _ = split_glb(rewrite_glb(data, 100))
    assert (len(tree["images"]), tree["textures"]) == (1, [{"source": 0}])
    assert analyse_mesh(read_mesh(data)).has_texture


def test_pictures_that_are_no_base_colour_are_not_looked_at() -> None:
    def make_normal_map(tree: dict[str, Any]) -> None:
        base = tree["materials"][0]["pbrMetallicRoughness"].pop("baseColorTexture")
        tree["materials"][0]["normalTexture"] = base

    mesh = read_mesh(rebuild_glb(glb_with_texture(b"no picture at all"), make_normal_map))
    assert (len(mesh.faces), analyse_mesh(mesh).has_texture) == (1, False)


def test_each_material_keeps_its_own_texture() -> None:
    scene = trimesh.Scene()
    for place, colour in enumerate(["red", "lime", "blue"]):
        sheet = textured_sheet(Image.new("RGB", (4, 4), colour))
        sheet.apply_translation((2 * place, 0, 0))
        scene.add_geometry(sheet, geom_name=colour)
    tree, binary = split_glb(scene.export(file_type="glb"))
    tree["images"].reverse()
    tree["textures"] = [{"source": 2 - texture["source"]} for texture in tree["textures"]]
    mesh = read_mesh(join_glb(tree, binary))
    seen = mesh.visual.to_color().vertex_colors[:, :3]
    places = np.floor(np.asarray(mesh.vertices)[:, 0] / 2 + 0.25)
    assert (seen.argmax(axis=1) == places).all()


def test_obj_material_library_is_not_followed() -> None:
    data = b"mtllib /etc/passwd\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    assert len(read_mesh(data).faces) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
        b"v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n",
        b"v 0 0 0\nv 1 0 0\n",
    ],
    ids=["index", "nan", "no faces"],
)
def test_broken_obj_is_refused(data: bytes) -> None:
    with pytest.raises(AssetError):
        read_mesh(data)


@pytest.mark.parametrize(("size", "refused"), [(1e18, False), (1.1e18, True), (1e160, True), (1e308, True)])
def test_coordinates_whose_volume_is_beyond_all_numbers_are_refused(size: float, refused: bool) -> None:
    """Their areas and volumes were infinite, and an answer that holds them can't be written."""
    box = trimesh.creation.box()
    text = export(box, "ply", encoding="ascii").replace(b"0.50000000", f"{size:.17g}".encode())
    data = text.replace(b"property float", b"property double")
    assert f"{size:.17g}".encode() in data
    answer = inspect_mesh(data)[0]
    json.dumps(answer, allow_nan=False)
    assert (answer["mesh"] is None) == refused


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and more", b"\x89PNG\r\n\x1a\n", b"hello"])
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        read_mesh(data)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_a_mesh_or_in_our_error(kind: str) -> None:
    random = np.random.default_rng(7)
    sound = np.frombuffer(export(trimesh.creation.box(), kind), np.uint8)
    read = 0
    for _ in range(300):
        damaged = sound.copy()
        places = random.integers(0, len(damaged), random.integers(1, 6))
        damaged[places] = random.integers(0, 256, len(places))
        data = damaged.tobytes()[: random.integers(len(damaged) // 2, 2 * len(damaged))]
        try:
            analyse_mesh(read_mesh(data))
            read += 1
        except S17Error:
            pass
    assert 0 < read < 300
