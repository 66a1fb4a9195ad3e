"""Vertex colours of a mesh: from one picture of it, or from its texture."""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from PIL import Image

from subnet17.generation.colour.colour_surface import colour_surface
from subnet17.splat.mesh_colours import sample_texture


def colour_mesh(
    mesh: trimesh.Trimesh, picture: Image.Image, device: torch.device | str
) -> tuple[trimesh.Trimesh, list[str]]:
    """The mesh with its vertices coloured.

    Args:
        mesh: +Y up, its front towards +Z.
        picture: RGBA; see `colour_surface`.
        device: Where to compute.

    Returns:
        A new mesh that shares nothing with the old one, and what `colour_surface` notes.
    """
    points = torch.as_tensor(np.array(mesh.vertices), dtype=torch.float32, device=device)
    normals = torch.as_tensor(np.array(mesh.vertex_normals), dtype=torch.float32, device=device)
    rgb, notes = colour_surface(points, normals, picture)
    colours = np.full((len(points), 4), 255, np.uint8)
    colours[:, :3] = (rgb.clamp(0, 1) * 255).round().byte().cpu().numpy()
    coloured = trimesh.Trimesh(
        np.array(mesh.vertices), np.array(mesh.faces), vertex_colors=colours, process=False
    )
    return coloured, notes


def with_vertex_colours(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A textured mesh with its texture's colours at its vertices instead, for formats without textures."""
    rgb = sample_texture(mesh.visual.material.baseColorTexture, np.asarray(mesh.visual.uv, np.float32))
    colours = np.full((len(rgb), 4), 255, np.uint8)
    colours[:, :3] = (rgb * 255).round()
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colours, process=False)
