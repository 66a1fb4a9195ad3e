"""Colours for a shape from one picture of it.

What the picture shows is taken from it. What it doesn't show takes, in this order, the colour of its partner
in a symmetry of the shape, as far as the picture shows that one, and colours that flow in along the surface.
Not covered: shading is not removed from the picture's colours, and a back that looks unlike the front is not
known.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from subnet17.generation.colour.bled_picture import BledPicture, bleed_picture
from subnet17.generation.colour.fit_view import fit_view
from subnet17.generation.colour.seen_colours import DepthRaster, look_up
from subnet17.generation.colour.spread_colours import spread_colours
from subnet17.generation.colour.symmetry import Symmetry, find_symmetries
from subnet17.generation.colour.view import View

MID_GREY = 0.5
GOOD_OVERLAP = 0.75
"""Below this the picture and the shape don't agree well enough for details to land where they belong."""
TRUSTED_SHARE = {"mirror": (0.85, 0.95), "half turn": (0.95, 0.985), "front to back": (0.95, 0.985)}
"""Shares of fitting points at which a symmetry counts for nothing and for all. Left and right are mostly
alike; a back like the front is believed only of shapes that leave little doubt."""
MOST_COORDINATE = 1e6
"""Points farther out, or not finite, only get the mean colour."""
LEAST_SURE = 1e-3


@torch.no_grad()
def colour_surface(
    points: Tensor, normals: Tensor, picture: Image.Image, *, view: View | None = None
) -> tuple[Tensor, list[str]]:
    """Colours points (or the vertices of a mesh) from a picture.

    Args:
        points: (N, 3) float32 spread over the surface. normals: (N, 3) float32, outward.
        picture: The object; its alpha is the object's mask.
        view: The picture's camera; fitted to the outline if not given.

    Returns:
        (N, 3) float32 colours in 0..1 on the points' device, never NaN, and notes: the view with its overlap,
        the symmetries used and the shares of points seen, mirrored and filled in.
    """
    points, normals = points.float(), normals.float()
    rgb = torch.full_like(points, MID_GREY)
    usable = (points.abs() < MOST_COORDINATE).all(dim=1)
    bled = bleed_picture(picture, points.device)
    if bled is None or not bool(usable.any()):
        what = "the picture shows nothing" if bled is None else "the shape has no points"
        return rgb, [f"{what}: coloured grey"]
    places, directions = points[usable], _unit(normals[usable])
    view = view or fit_view(places, bled.alpha)
    colours, notes = _colour(places, directions, bled, view)
    rgb[usable] = colours
    rgb[~usable] = colours.mean(dim=0)
    return rgb, notes


def _colour(points: Tensor, normals: Tensor, picture: BledPicture, view: View) -> tuple[Tensor, list[str]]:
    raster = DepthRaster(view, points, normals)
    rgb, sure = look_up(picture, view, raster, points, normals)
    notes = [_describe_view(view)]
    seen = float(sure.mean())
    for symmetry in find_symmetries(points):
        trust = _trust(symmetry)
        if not trust:
            continue
        partners, turned = symmetry.map_points(points), symmetry.map_normals(normals)
        more, surer = look_up(picture, view, raster, partners, turned, is_partner=True)
        rgb, sure = _add(rgb, sure, more, surer * trust)
        notes.append(f"{symmetry.name}: {symmetry.share:.2f} of the surface fits")
    known = float(sure.mean())
    notes.append(f"colours: {seen:.2f} seen, {known - seen:.2f} from partners, {1 - known:.2f} filled in")
    rest = _guess(points, rgb, sure, picture) + _grain(points, picture, view, raster)
    return (rgb * sure[:, None] + rest * (1 - sure[:, None])).clamp(0.0, 1.0), notes


def _add(rgb: Tensor, sure: Tensor, more: Tensor, surer: Tensor) -> tuple[Tensor, Tensor]:
    """Blends in other colours as far as the first are not sure."""
    added = (1 - sure) * surer
    total = sure + added
    blend = (rgb * sure[:, None] + more * added[:, None]) / total.clamp_min(1e-9)[:, None]
    return torch.where(total[:, None] > 0, blend, rgb), total


def _guess(points: Tensor, rgb: Tensor, sure: Tensor, picture: BledPicture) -> Tensor:
    """(N, 3) smooth colours everywhere: those of what is seen around, or the picture's mean."""
    sure = torch.where(sure > LEAST_SURE, sure, 0.0)
    return spread_colours(points, rgb, sure) if bool(sure.any()) else picture.mean.expand_as(rgb)


def _grain(points: Tensor, picture: BledPicture, view: View, raster: DepthRaster) -> Tensor:
    """(N, 3) what the picture's materials vary by: smooth colours alone look like plastic.

    Taken where the point would be if the back were folded to the front, so that heights stay what they are.
    """
    folded = view.fold_forward(points)
    fine, cover = picture.grain().sample(view.project(folded)[:, :2], spacing_px=raster.spacing_px)
    return fine * cover[:, None]


def _trust(symmetry: Symmetry) -> float:
    none, full = TRUSTED_SHARE[symmetry.name]
    return min(1.0, max(0.0, (symmetry.share - none) / (full - none)))


def _unit(normals: Tensor) -> Tensor:
    """Unit normals; 0 where they are not finite or have no length."""
    clean = torch.where(torch.isfinite(normals).all(dim=1, keepdim=True), normals, 0.0)
    unit: Tensor = clean / clean.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return unit


def _describe_view(view: View) -> str:
    place = f"azimuth {view.azimuth_deg:.0f}°, elevation {view.elevation_deg:.0f}°, overlap {view.iou:.2f}"
    warning = "" if view.iou >= GOOD_OVERLAP else "; picture and shape differ, details may be displaced"
    return f"picture's view: {place}{warning}"
