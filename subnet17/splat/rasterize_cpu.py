"""The validators' rasteriser on the CPU: the same pixels, 1/255 at most apart.

Covers: 3D Gaussian splats in gsplat 1.5.3's classic mode, on all cores, one view per thread. A view is cut
into tiles of 16 x 16 px; a tile blends the splats that reach it from near to far, one row of 16 px at a time
so that the compiler makes vector instructions of it. Rows that let no light through any more are left out.
Not covered: gradients, view-dependent colour, other camera models.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import njit

from subnet17.splat.cameras import Cameras, RenderableCloud, RenderedViews
from subnet17.splat.project import project_splats

TILE_PX = 16
TILE_AREA = TILE_PX * TILE_PX
PLANE = np.uint64(TILE_AREA)
"""Unsigned, because the compiler makes no vector loop of an index that could count from the end."""
LIVENESS_INTERVAL = 16
"""Splats blended into a tile between two looks at which of its rows are finished."""

HALF = np.float32(0.5)
ONE = np.float32(1.0)
ZERO = np.float32(0.0)
ALPHA_MAX = np.float32(0.999)
LOG2_ALPHA_MIN = np.float32(-math.log2(255.0))
EXP2_0, EXP2_1, EXP2_2 = np.float32(0.99999992506), np.float32(0.69314225259), np.float32(0.24017218924)
EXP2_3, EXP2_4, EXP2_5 = np.float32(0.05527972255), np.float32(0.00918861170), np.float32(0.00093878832)
"""2 ** t = EXP2_0 + EXP2_1 t + ... on -1..0, fitted here for the least relative error (7.5e-8)."""
T_MIN = np.float32(1e-4)
"""A pixel is finished by the splat that would leave less transmittance than this; that splat is not drawn."""


def render_views(scene: RenderableCloud, cameras: Cameras, *, background: float = 1.0) -> RenderedViews:
    """Renders a scene from all cameras.

    Uses as many threads as numba would (`NUMBA_NUM_THREADS`, else all cores this process may use); the pixels
    do not depend on it. Cameras that are equal are rendered once.

    Args:
        scene: N splats, activations applied; N may be 0. Splats that are not finite are not drawn.
        cameras: C cameras with one image size.
        background: Grey in 0..1 behind the splats.

    Returns:
        (C, size, size, 3) uint8 images and (C, size, size) float32 alphas = 1 - transmittance.
    """
    size = cameras.size_px
    images = np.empty((len(cameras), size, size, 3), np.uint8)
    alphas = np.empty((len(cameras), size, size), np.float32)
    sources = cameras.first_equal
    distinct = sorted(set(sources))
    thread_count: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]

    def render(view: int) -> None:
        splats = project_splats(
            scene, cameras.viewmats[view], cameras.focal_px, size, near=cameras.near, far=cameras.far
        )
        _blend_view(splats, np.float32(background), images[view], alphas[view])

    with ThreadPoolExecutor(max(1, min(thread_count, len(distinct)))) as threads:
        list(threads.map(render, distinct))
    for view, source in enumerate(sources):
        if view != source:
            images[view], alphas[view] = images[source], alphas[source]
    return RenderedViews(images, alphas)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend_view(splats: Any, background: Any, image: Any, alpha: Any) -> None:
    """Blends depth-sorted `SPLAT_2D` into (size, size, 3) uint8 and (size, size) float32."""
    size = len(image)
    tiles = (size + TILE_PX - 1) // TILE_PX
    tile = np.empty(4 * TILE_AREA, np.float32)
    live = np.empty(TILE_PX, np.bool_)
    first, last = _tile_rows(splats, tiles)
    row_starts, row_members = _bin_intervals(first, last, tiles)
    for tile_y in range(tiles):
        y0 = tile_y * TILE_PX
        in_row = row_members[row_starts[tile_y] : row_starts[tile_y + 1]]
        first, last = _tile_columns(splats, in_row, y0, tiles)
        starts, members = _bin_intervals(first, last, tiles)
        for tile_x in range(tiles):
            x0 = tile_x * TILE_PX
            in_tile = members[starts[tile_x] : starts[tile_x + 1]]
            _blend_tile(splats, in_row, in_tile, x0, y0, tile, live)
            _store_tile(
                tile,
                background,
                image[y0 : y0 + TILE_PX, x0 : x0 + TILE_PX],
                alpha[y0 : y0 + TILE_PX, x0 : x0 + TILE_PX],
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _bin_intervals(first: Any, last: Any, bins: Any) -> Any:
    """Sorts intervals of bins into lists, one per bin, each in the order given (a stable counting sort).

    Returns:
        (bins + 1,) int64 starts and the members: bin b holds `members[starts[b] : starts[b + 1]]`.
    """
    starts = np.zeros(bins + 1, np.int64)
    for i in range(len(first)):
        for b in range(first[i], last[i] + 1):
            starts[b + 1] += 1
    for b in range(bins):
        starts[b + 1] += starts[b]
    members = np.empty(starts[bins], np.int32)
    cursor = starts[:-1].copy()
    for i in range(len(first)):
        for b in range(first[i], last[i] + 1):
            members[cursor[b]] = i
            cursor[b] += 1
    return starts, members


@njit(cache=True, nogil=True, error_model="numpy")
def _tile_rows(splats: Any, tiles: Any) -> Any:
    """First and last tile row that each splat's bounding ellipse reaches."""
    first = np.empty(len(splats), np.int32)
    last = np.empty(len(splats), np.int32)
    for i in range(len(splats)):
        y, half = splats[i].y, splats[i].half_y
        first[i], last[i] = _tile_interval(y - half, y + half, tiles)
    return first, last


@njit(cache=True, nogil=True, error_model="numpy")
def _tile_columns(splats: Any, in_row: Any, y0: Any, tiles: Any) -> Any:
    """First and last tile that each splat of a tile row reaches within that row."""
    first = np.empty(len(in_row), np.int32)
    last = np.empty(len(in_row), np.int32)
    for i in range(len(in_row)):
        s = splats[in_row[i]]
        low, high = _reach(y0 - s.y, s.half_y, s.rho, s.rho_rest)
        first[i], last[i] = _tile_interval(s.x + low * s.half_x, s.x + high * s.half_x, tiles)
    return first, last


@njit(cache=True, nogil=True, error_model="numpy")
def _tile_interval(low_px: Any, high_px: Any, tiles: Any) -> Any:
    """First and last tile with a pixel centre in low..high; first > last: none."""
    first, stop = _pixel_range(low_px, high_px, tiles * TILE_PX)
    return (first // TILE_PX, (stop - 1) // TILE_PX) if first < stop else (0, -1)


@njit(cache=True, nogil=True, error_model="numpy")
def _pixel_range(low_px: Any, high_px: Any, count: Any) -> Any:
    """Pixels `first` to before `stop` of 0..count have their centres in low..high.

    Clamped while still floats: a float too large for an int64 would become any number.
    """
    limit = np.float32(count)
    return int(min(max(low_px + HALF, ZERO), limit)), int(min(max(high_px + HALF, ZERO), limit))


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(start_px: Any, half_px: Any, rho: Any, rho_rest: Any) -> Any:
    """How far a splat reaches along one axis, at the pixel centres of one tile along the other.

    Args:
        start_px: Where the tile starts along the other axis, measured from the splat's centre.
        half_px: The ellipse's half extent along the other axis.
        rho: Correlation of the axes. rho_rest: sqrt(1 - rho²).

    Returns:
        Lowest and highest value, as fractions of the half extent along this axis; low > high: none.
    """
    v0 = max((start_px + HALF) / half_px, -ONE)
    v1 = min((start_px + np.float32(TILE_PX) - HALF) / half_px, ONE)
    if not v0 <= v1:
        return ONE, -ONE
    v = min(max(-rho, v0), v1)
    low = rho * v - rho_rest * math.sqrt(ONE - v * v)
    v = min(max(rho, v0), v1)
    return low, rho * v + rho_rest * math.sqrt(ONE - v * v)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend_tile(splats: Any, in_row: Any, in_tile: Any, x0: Any, y0: Any, tile: Any, live: Any) -> None:
    """Blends the splats `in_row[in_tile]` into `tile`: four planes of 16 x 16, transmittance, R, G, B."""
    tile[:TILE_AREA] = ONE
    tile[TILE_AREA:] = ZERO
    live[:] = True
    for i in range(len(in_tile)):
        if i % LIVENESS_INTERVAL == LIVENESS_INTERVAL - 1 and not _update_live(tile, live):
            break
        s = splats[in_row[in_tile[i]]]
        x, y = s.x - np.float32(x0), s.y - np.float32(y0)
        low, high = _reach(-x, s.half_x, s.rho, s.rho_rest)
        first, stop = _pixel_range(y + low * s.half_y, y + high * s.half_y, TILE_PX)
        for row in range(first, stop):
            if live[row]:
                _blend_row(tile, row, x, y, s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _blend_row(tile: Any, row: Any, x: Any, y: Any, s: Any) -> None:
    """Blends one splat into one row of a tile, without branches.

    A finished pixel keeps its transmittance with the sign changed: then `after` can't exceed T_MIN again.
    """
    dy = y - (np.float32(row) + HALF)
    a, b_dy = s.a, s.b * dy
    opacity = s.log2_opacity
    peak = opacity - s.c * dy * dy
    red, green, blue = s.red, s.green, s.blue
    for column in range(TILE_PX):
        dx = x - (np.float32(column) + HALF)
        exponent = peak - dx * (a * dx + b_dy)
        alpha = min(ALPHA_MAX, _exp2(exponent))
        alpha = alpha if LOG2_ALPHA_MIN <= exponent <= opacity else ZERO
        at = np.uint64(row * TILE_PX + column)
        before = tile[at]
        after = before * (ONE - alpha)
        drawn = after > T_MIN
        weight = before * alpha if drawn else ZERO
        tile[at] = after if drawn else -abs(before)
        tile[at + PLANE] += weight * red
        tile[at + PLANE + PLANE] += weight * green
        tile[at + PLANE + PLANE + PLANE] += weight * blue


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _exp2(x: Any) -> Any:
    """2 ** x for -8 <= x <= 0: a polynomial for 2 ** (x / 8), then three squarings: vectorises."""
    t = x * np.float32(0.125)
    p = EXP2_5
    p = p * t + EXP2_4
    p = p * t + EXP2_3
    p = p * t + EXP2_2
    p = p * t + EXP2_1
    p = p * t + EXP2_0
    p *= p
    p *= p
    return p * p


@njit(cache=True, nogil=True, error_model="numpy")
def _update_live(tile: Any, live: Any) -> Any:
    """Marks rows in which no pixel lets light through any more; returns whether one is left."""
    any_live = False
    for row in range(TILE_PX):
        if live[row]:
            best = -ONE
            for at in range(row * TILE_PX, (row + 1) * TILE_PX):
                best = max(best, tile[at])
            live[row] = best > 0
            any_live = any_live or live[row]
    return any_live


@njit(cache=True, nogil=True, error_model="numpy")
def _store_tile(tile: Any, background: Any, image: Any, alpha: Any) -> None:
    """Writes a tile's part inside the image: colour over the background, clipped, and truncated to bytes."""
    for row in range(alpha.shape[0]):
        for column in range(alpha.shape[1]):
            at = row * TILE_PX + column
            transmittance = abs(tile[at])
            alpha[row, column] = ONE - transmittance
            for channel in range(3):
                value = tile[at + (channel + 1) * TILE_AREA] + transmittance * background
                image[row, column, channel] = np.uint8(min(max(value, ZERO), ONE) * np.float32(255))
