"""From which side a picture shows a shape, by the overlap of their outlines.

Covers: azimuth, elevation, strength of the perspective, scale and shift; a coarse grid over all directions,
then the best few are refined step by step, all candidates of a round in one batch.
Not covered: roll, mirrored pictures, a shape whose proportions differ from the picture's (the overlap tells),
and what outlines can't tell apart: turns of a round object, and at elevation 0 a view from the front and its
mirror image from behind. There the view nearer to the front wins, as pictures mostly show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from subnet17.generation.colour.view import PARAMETERS, View, project

Cost = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From (B, 6) candidates, (M, 3) points and the wanted (S, S) raster to (B,) costs."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of the picture's outline, in pixels; the last two are just outside."""

COARSE_PX = 48
FINE_PX = 128
COARSE_POINTS = 4096
FINE_POINTS = 20_000
MARGIN = 1.2
"""Half the raster's side over half the longer side of the picture's outline."""
AZIMUTHS = 36
ELEVATIONS_DEG = (-25.0, -8.0, 8.0, 22.0, 38.0, 58.0)
PERSPECTIVE = 0.25
"""What the coarse grid assumes: a camera four radii away."""
MOST_PERSPECTIVE = 0.5
KEPT = 6
FINALISTS = 2
COARSE_ROUNDS = 8
FINE_ROUNDS = 16
STEPS = (0.1, 0.1, 0.1, 0.04, 0.04, 0.04)
"""First steps along the parameters; a candidate that has no better neighbour halves its own."""
MIXED = (
    (1.0, 0.0, 0.0, 0.5, 0.5, 0.0),
    (1.0, 0.0, 0.0, -0.5, -0.5, 0.0),
    (0.0, 1.0, 0.5, 0.0, 0.0, 0.5),
    (0.0, 1.0, -0.5, 0.5, 0.0, -0.5),
    (0.7, 0.7, 0.0, 0.3, 0.0, 0.0),
    (0.7, -0.7, 0.0, 0.3, 0.0, 0.0),
)
"""Directions in which parameters make up for each other, as shares of `STEPS`."""
FINE_STEP = 0.3
MOST_TILT_RAD = 1.4
BEHIND_COST = 0.04
"""Overlap that a view from straight behind must win by; from the side half of it."""
TILT_COST = 0.02
USUAL_TILT_DEG, TILT_SPAN_DEG = 12.0, 40.0
MASK_ALPHA = 0.5
MASK_PX = 2 * FINE_PX
"""The outline's longer side when it is drawn: closer than any raster's cells, so that no cell is left out."""


@torch.no_grad()
def fit_view(points: Tensor, mask: Tensor) -> View:
    """Finds the camera whose outline of the points covers the mask best.

    Args:
        points: (N, 3) float32 spread over the surface, N >= 1, finite.
        mask: (H, W) coverage of the picture, 0..1, on the same device.

    Returns:
        The view. Where the mask is empty or the points coincide: the front, with overlap 0.
    """
    centre, radius = _enclose(points)
    box = _box_of(mask)
    if box is None or not radius > 0:
        return _front(mask, centre, radius)
    unit = (points - centre) / radius
    few, many = _thin_out(unit, COARSE_POINTS), _thin_out(unit, FINE_POINTS)
    outline = _outline_places(mask, box)
    coarse, fine = _draw_wanted(outline, few, COARSE_PX), _draw_wanted(outline, many, FINE_PX)
    best, costs = _refine(_search_coarsely(few, outline, coarse), few, coarse, COARSE_ROUNDS, _costs)
    best = best[costs.argsort(stable=True)[:FINALISTS]]
    best, missing = _refine(best, many, fine, FINE_ROUNDS, _missing, first_step=FINE_STEP)
    winner = best[(missing + _oddness(best)).argmin()][None]
    iou = _overlap(draw_outlines(project(winner, many), len(fine)), fine)
    return _to_view([*winner[0].tolist(), float(iou)], centre, radius, box)


def draw_outlines(places: Tensor, size_px: int) -> Tensor:
    """Rasters of where points lie, small holes closed.

    Args:
        places: (B, M, 2 or more) right and down; -MARGIN..MARGIN is drawn.

    Returns:
        (B, size_px, size_px) float32, 0 or 1.
    """
    cells = ((places[..., :2] + MARGIN) * (size_px / (2 * MARGIN))).floor()
    inside = ((cells >= 0) & (cells < size_px)).all(dim=2)
    index = torch.where(inside, cells[..., 1] * size_px + cells[..., 0], float(size_px * size_px)).long()
    flat = places.new_zeros(len(places), size_px * size_px + 1)
    flat.scatter_(1, index, 1.0)
    drawn = flat[:, :-1].view(-1, 1, size_px, size_px)
    grown = F.max_pool2d(drawn, 3, stride=1, padding=1)
    return -F.max_pool2d(-grown, 3, stride=1, padding=1)[:, 0]


def _search_coarsely(points: Tensor, outline: Tensor, wanted: Tensor) -> Tensor:
    """(KEPT, 6) best candidates of the grid, one per azimuth; those next to a better one come last."""
    azimuths = torch.arange(AZIMUTHS, device=points.device) * (2 * math.pi / AZIMUTHS)
    elevations = torch.deg2rad(points.new_tensor(ELEVATIONS_DEG))
    grid = points.new_zeros(AZIMUTHS * len(elevations), PARAMETERS)
    grid[:, 0] = azimuths.repeat_interleave(len(elevations))
    grid[:, 1] = elevations.repeat(AZIMUTHS)
    grid[:, 2] = PERSPECTIVE
    grid = _match_boxes(grid, points, outline)
    costs, tilts = _costs(grid, points, wanted).view(AZIMUTHS, -1).min(dim=1)
    beaten = (costs > costs.roll(1)) | (costs > costs.roll(-1))
    order = (costs + beaten).argsort(stable=True)[:KEPT]
    return grid.view(AZIMUTHS, -1, PARAMETERS)[order, tilts[order]]


def _match_boxes(candidates: Tensor, points: Tensor, outline: Tensor) -> Tensor:
    """Sets scale and shift so that diagonals and middles of the bounding boxes agree."""
    places = project(candidates, points)[..., :2]
    low, high = places.amin(dim=1), places.amax(dim=1)
    span = outline.amax(dim=0) - outline.amin(dim=0)
    growth = span.norm() / (high - low).norm(dim=1).clamp_min(1e-6)
    shift = -growth[:, None] * (low + high) / 2
    return torch.cat([candidates[:, :3], growth.log()[:, None], shift], dim=1)


def _refine(
    candidates: Tensor,
    points: Tensor,
    wanted: Tensor,
    rounds: int,
    cost: Cost,
    *,
    first_step: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Moves every candidate to its best neighbour, or looks at closer ones where none is better.

    Returns:
        (K, 6) candidates and their (K,) costs.
    """
    moves = _moves(candidates)
    steps = candidates.new_full((len(candidates), 1, 1), first_step)
    rows = torch.arange(len(candidates), device=candidates.device)
    costs = cost(candidates, points, wanted)
    for _ in range(rounds):
        tried = _within_limits(candidates[:, None] + steps * moves)
        tried_costs = cost(tried.flatten(0, 1), points, wanted).view(len(candidates), -1)
        costs, chosen = tried_costs.min(dim=1)
        candidates = tried[rows, chosen]
        steps = torch.where((chosen == 0)[:, None, None], steps / 2, steps)
    return candidates, costs


def _moves(like: Tensor) -> Tensor:
    """(25, 6): to stay, both ways along each parameter, and both ways along six mixed directions."""
    spans = torch.diag(like.new_tensor(STEPS))
    mixed = like.new_tensor(MIXED) * like.new_tensor(STEPS)
    return torch.cat([torch.zeros_like(spans[:1]), spans, -spans, mixed, -mixed])


def _within_limits(candidates: Tensor) -> Tensor:
    limits = candidates.new_tensor([math.inf, MOST_TILT_RAD, MOST_PERSPECTIVE, *[math.inf] * 3])
    least = candidates.new_tensor([-math.inf, -MOST_TILT_RAD, 0.0, *[-math.inf] * 3])
    return torch.minimum(torch.maximum(candidates, least), limits)


def _costs(candidates: Tensor, points: Tensor, wanted: Tensor) -> Tensor:
    """(B,) what the overlap lacks, and what an unusual direction costs."""
    return _missing(candidates, points, wanted) + _oddness(candidates)


def _missing(candidates: Tensor, points: Tensor, wanted: Tensor) -> Tensor:
    drawn = draw_outlines(project(candidates, points), len(wanted))
    return 1 - _overlap(_soften(drawn), _soften(wanted[None]))


def _oddness(candidates: Tensor) -> Tensor:
    behind = (1 - candidates[:, 0].cos()) / 2
    tilt = (candidates[:, 1].rad2deg() - USUAL_TILT_DEG) / TILT_SPAN_DEG
    return BEHIND_COST * behind + TILT_COST * tilt.square()


def _overlap(drawn: Tensor, wanted: Tensor) -> Tensor:
    """(B,) intersection over union of (B, S, S) with one (S, S) or (1, S, S)."""
    shared = torch.minimum(drawn, wanted).sum(dim=(1, 2))
    return shared / torch.maximum(drawn, wanted).sum(dim=(1, 2)).clamp_min(1.0)


def _soften(rasters: Tensor) -> Tensor:
    """Blurs by one pixel, so that a thin part that just misses still counts for something."""
    return F.avg_pool2d(rasters[:, None], 3, stride=1, padding=1)[:, 0]


def _draw_wanted(outline: Tensor, points: Tensor, most_px: int) -> Tensor:
    """(S, S) raster of the mask, no finer than the points can fill."""
    size_px = max(8, min(most_px, math.isqrt(len(points))))
    return draw_outlines(outline[None], size_px)[0]


def _outline_places(mask: Tensor, box: Box) -> Tensor:
    """(P, 2) centres of the mask's pixels: the box's longer side spans -1..1, its middle is 0."""
    left, top, right, bottom = box
    crop = mask[top:bottom, left:right].float()[None, None]
    longest_px = max(crop.shape)
    size = [max(1, round(side * MASK_PX / longest_px)) for side in crop.shape[2:]]
    drawn = F.interpolate(crop, size=size, mode="bilinear", antialias=True, align_corners=False)[0, 0]
    pixels = (drawn >= MASK_ALPHA).nonzero().flip(1).float() + 0.5
    pixels = pixels if len(pixels) else pixels.new_tensor([[size[1] / 2, size[0] / 2]])
    return (pixels - pixels.new_tensor([size[1], size[0]]) / 2) * (2 / MASK_PX)


def _box_of(mask: Tensor) -> Box | None:
    covered = mask >= MASK_ALPHA
    rows, columns = covered.any(dim=1).nonzero(), covered.any(dim=0).nonzero()
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _enclose(points: Tensor) -> tuple[Tensor, float]:
    """The middle of the bounding box and the radius of the ball about it that holds all points."""
    centre = (points.amin(dim=0) + points.amax(dim=0)) / 2
    return centre, float((points - centre).norm(dim=1).amax())


def _thin_out(points: Tensor, most: int) -> Tensor:
    """At most so many points, evenly by number: neighbours in number are mostly neighbours in space."""
    if len(points) <= most:
        return points
    return points[torch.linspace(0, len(points) - 1, most, device=points.device).round().long()]


def _front(mask: Tensor, centre: Tensor, radius: float) -> View:
    """The shape seen from the front, in the middle of the picture."""
    height, width = mask.shape
    return View(
        0.0, 0.0, 0.0, _triple(centre), radius or 1.0, 0.4 * min(mask.shape), (width / 2, height / 2), 0.0
    )


def _to_view(numbers: list[float], centre: Tensor, radius: float, box: Box) -> View:
    azimuth, elevation, perspective, growth, right, down, iou = numbers
    half_px = max(box[2] - box[0], box[3] - box[1]) / 2
    return View(
        azimuth_deg=(math.degrees(azimuth) + 180) % 360 - 180,
        elevation_deg=math.degrees(elevation),
        perspective=perspective,
        centre=_triple(centre),
        radius=radius,
        scale_px=half_px * math.exp(growth),
        centre_px=((box[0] + box[2]) / 2 + right * half_px, (box[1] + box[3]) / 2 + down * half_px),
        iou=iou,
    )


def _triple(values: Tensor) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
