"""Takes a plain ground out of a picture by colour: flood from the border, soft edge, holes.

Covers: one object on a ground of one colour, also with a slow gradient. Does not cover: shadows darker than
the tolerance (they stay with the object), textured grounds (refused), objects in the ground's own colour.
Colours are compared in OKLab, where equal distances look equally far apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from subnet17.errors import InvalidInputError

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

BORDER_SHARE = 0.02
"""Of the side: how far the border reaches that the ground is measured on."""
NEAR = 0.035
"""OKLab distance up to which a pixel is ground; white to #f4f4f4 is 0.03."""
FAR = 0.10
"""From here on a pixel of a thin part is wholly object."""
HOLE_NEAR = 0.012
"""An enclosed patch must be this close to the ground to be a hole and not, say, a white label."""
HOLE_SHARE = 0.0005
"""Of the picture: smaller enclosed patches are glints."""
PLAIN_SHARE = 0.6
"""Of the border must be ground; the rest may be an object that touches it."""
EDGE_PX = 2
FLARE = 0.01
"""As on a screen in a lit room: without it, noise that nobody sees is a large distance near black."""

LINEAR_OF_BYTE: Float32 = np.where(
    np.arange(256) <= 0.04045 * 255,
    np.arange(256) / 255 / 12.92,
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)

LMS_OF_RGB: Float32 = np.array(
    [
        [0.41222147, 0.53633254, 0.05144599],
        [0.2119035, 0.6806995, 0.10739696],
        [0.08830246, 0.28171884, 0.6299787],
    ],
    np.float32,
)
LAB_OF_LMS: Float32 = np.array(
    [
        [0.21045426, 0.7936178, -0.00407205],
        [1.9779985, -2.4285922, 0.4505937],
        [0.02590404, 0.78277177, -0.80867577],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Ground:
    """What was measured on the border.

    Attributes:
        distance: (H, W) OKLab distance of each pixel to the ground expected there.
        plane: (3, 3) the ground's sRGB 0..255 at the middle, and its change per half picture along x and y.
        plain_share: Of the border's pixels, how many are within `NEAR`.
    """

    distance: Float32
    plane: Float32
    plain_share: float

    def colour_at(self, rows: Index, columns: Index) -> Float32:
        """(N, 3) the ground expected at pixels, sRGB 0..255."""
        height, width = self.distance.shape
        return cast(Float32, _basis(rows, columns, height, width) @ self.plane)


class PlainBackground:
    """Removes a ground of one colour; refuses others."""

    name = "plain"

    def __call__(self, image: Image.Image) -> Image.Image:
        """The picture with an alpha channel, of the same size.

        Raises:
            InvalidInputError: the ground is not plain (`detail["kind"]` is "ground").
        """
        rgb = np.asarray(image.convert("RGB"))
        ground = measure_ground(rgb)
        if ground.plain_share < PLAIN_SHARE:
            raise InvalidInputError(
                f"the picture is not on a plain ground: {ground.plain_share:.0%} of its border has one"
                f" colour, {PLAIN_SHARE:.0%} are needed; give a picture with a transparent or a plain ground",
                kind="ground",
                measured=round(ground.plain_share, 3),
                allowed=PLAIN_SHARE,
            )
        return unmix(rgb, ground, find_ground(ground.distance))


def to_oklab(rgb: npt.NDArray[np.uint8], *, flare: float = 0) -> Float32:
    """(..., 3) sRGB bytes to OKLab, L 0..1; `flare` is the share of white light that lies over everything."""
    lms = (LINEAR_OF_BYTE * np.float32(1 - flare) + np.float32(flare))[rgb] @ LMS_OF_RGB.T
    return cast(Float32, np.cbrt(lms) @ LAB_OF_LMS.T)


def measure_ground(rgb: npt.NDArray[np.uint8]) -> Ground:
    """Fits a plane per channel to the border's colour; twice, the second time without what stood out."""
    height, width = rgb.shape[:2]
    lab = to_oklab(rgb, flare=FLARE)
    rows, columns = np.nonzero(_border(height, width))
    basis = _basis(rows, columns, height, width)
    values = np.concatenate([lab[rows, columns], rgb[rows, columns].astype(np.float32)], axis=-1)
    near = _length(values[:, :3] - np.median(values[:, :3], axis=0)) < FAR
    plane: Float32 = np.zeros((3, 6), np.float32)
    for _ in range(2):
        if near.sum() < 3:
            return Ground(np.full((height, width), np.inf, np.float32), plane[:, 3:], 0.0)
        plane = _fit(basis[near], values[near])
        near = _length(values[:, :3] - basis @ plane[:, :3]) < NEAR
    across = _steps(width)[None, :, None] * plane[1, :3] + plane[0, :3]
    down = _steps(height)[:, None, None] * plane[2, :3]
    return Ground(_length(lab - across - down), plane[:, 3:], float(near.mean()))


def find_ground(distance: Float32) -> Mask:
    """Pixels that are ground: what the border reaches over near pixels, and holes as flat as the ground."""
    patches, _ = ndimage.label(distance < NEAR)
    edge = np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]])
    reached = np.zeros(int(patches.max()) + 1, bool)
    reached[edge] = True
    sizes = np.bincount(patches.ravel())
    means = np.bincount(patches.ravel(), weights=distance.ravel()) / np.maximum(sizes, 1)
    holes = (means < HOLE_NEAR) & (sizes > HOLE_SHARE * distance.size)
    ground = reached | holes
    ground[0] = False  # label 0 is what is far from the ground
    return cast(Mask, ground[patches])


def unmix(rgb: npt.NDArray[np.uint8], ground: Ground, is_ground: Mask) -> Image.Image:
    """RGBA with an edge of soft pixels, which are mixtures of the ground and the object.

    Their object's colour is the mean of the object beside them, and alpha its share in the mixture. Thin
    parts have no inside to take a colour from: their alpha goes by distance, and they keep their colour.
    """
    edge = _grow(is_ground, EDGE_PX) & ~is_ground
    rows, columns = np.nonzero(edge)
    own, known = _colour_beside(rgb, ~is_ground & ~edge, rows, columns)
    behind = ground.colour_at(rows, columns)
    towards = own - behind
    share = ((rgb[rows, columns] - behind) * towards).sum(-1) / np.maximum((towards**2).sum(-1), 1)
    by_distance = (ground.distance[rows, columns] - NEAR) / (FAR - NEAR)
    alpha: Float32 = np.where(is_ground, np.float32(0), np.float32(1))
    alpha[rows, columns] = np.clip(np.where(known, share, by_distance), 0, 1)
    colours = rgb.copy()
    mixed = known & (share < 1)
    colours[rows[mixed], columns[mixed]] = np.rint(own[mixed])
    return Image.fromarray(np.dstack([colours, np.rint(alpha * 255).astype(np.uint8)]))


def _colour_beside(
    rgb: npt.NDArray[np.uint8], inside: Mask, rows: Index, columns: Index
) -> tuple[Float32, Mask]:
    """(N, 3) mean colour of the inside within a few pixels of each pixel, and (N,) where there is any."""
    red, green, blue = (_sums_around(rgb[..., channel] * inside)[rows, columns] for channel in range(3))
    count = _sums_around(inside)[rows, columns]
    total = np.stack([red, green, blue], axis=-1).astype(np.float32)
    return cast(Float32, total / np.maximum(count, 1).astype(np.float32)[:, None]), count > 0


def _sums_around(values: npt.NDArray[np.uint8] | Mask) -> npt.NDArray[np.int32]:
    """(H, W) sums over the square of a few pixels around each, exact where the running sums overflow."""
    reach = EDGE_PX + 2
    sums = np.pad(values, reach + 1)[:-1, :-1].cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    side = 2 * reach + 1
    down = sums[side:] - sums[:-side]
    return cast(npt.NDArray[np.int32], down[:, side:] - down[:, :-side])


def _fit(basis: Float32, values: Float32) -> Float32:
    """Least squares by the normal equations; a picture of one row or column has no slope across it."""
    ridge = np.eye(3, dtype=np.float32) * np.float32(1e-3)
    return np.linalg.solve(basis.T @ basis + ridge * len(basis) * 1e-3, basis.T @ values).astype(np.float32)


def _steps(count: int) -> Float32:
    return np.linspace(-1, 1, count, dtype=np.float32) if count > 1 else np.zeros(1, np.float32)


def _basis(rows: Index, columns: Index, height: int, width: int) -> Float32:
    """(N, 3): one, x and y, which go from -1 to 1 over the picture."""
    x, y = _steps(width)[columns], _steps(height)[rows]
    return np.stack([np.ones_like(x), x, y], axis=-1)


def _length(vectors: Float32) -> Float32:
    return cast(Float32, np.sqrt(np.einsum("...c,...c->...", vectors, vectors)))


def _grow(mask: Mask, reach: int) -> Mask:
    """Every pixel within a square of `reach` around the mask's."""
    for _ in range(reach):
        for axis in (0, 1):
            grown = mask.copy()
            to, of = (np.moveaxis(array, axis, 0) for array in (grown, mask))
            to[1:] |= of[:-1]
            to[:-1] |= of[1:]
            mask = grown
    return mask


def _border(height: int, width: int) -> Mask:
    depth = max(1, round(BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), bool)
    border[depth:-depth, depth:-depth] = False
    return border
