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

BORDER_SHARE = 0.02
"""Of the side: how far the border reaches that the ground is measured on."""
NEAR = 0.035
"""OKLab distance up to which a pixel is ground; white to #f4f4f4 is 0.03."""
FAR = 0.10
"""From here on a pixel on the edge is wholly object."""
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
        colour: (H, W, 3) the ground expected there, sRGB 0..255.
        plain_share: Of the border's pixels, how many are within `NEAR`.
    """

    distance: Float32
    colour: Float32
    plain_share: float


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
        alpha = soften(ground.distance, find_ground(ground.distance))
        return _with_alpha(rgb, ground.colour, alpha)


def to_oklab(rgb: npt.NDArray[np.uint8], *, flare: float = 0) -> Float32:
    """(..., 3) sRGB bytes to OKLab, L 0..1; `flare` is the share of white light that lies over everything."""
    lms = (LINEAR_OF_BYTE * np.float32(1 - flare) + np.float32(flare))[rgb] @ LMS_OF_RGB.T
    return cast(Float32, np.cbrt(lms) @ LAB_OF_LMS.T)


def measure_ground(rgb: npt.NDArray[np.uint8]) -> Ground:
    """Fits a plane per channel to the border's colour; twice, the second time without what stood out."""
    height, width = rgb.shape[:2]
    border = _border(height, width)
    lab = to_oklab(rgb, flare=FLARE)
    y, x = np.mgrid[-1 : 1 : complex(0, height), -1 : 1 : complex(0, width)].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y], axis=-1)
    seen = np.concatenate([lab, rgb.astype(np.float32)], axis=-1)
    values, where = seen[border], basis[border]
    near = np.linalg.norm(values[:, :3] - np.median(values[:, :3], axis=0), axis=1) < FAR
    for limit in (NEAR, NEAR):
        if near.sum() < 3:
            break
        plane = np.linalg.lstsq(where[near], values[near], rcond=None)[0]
        off = np.linalg.norm(values[:, :3] - where @ plane[:, :3], axis=1)
        near = off < limit
    else:
        expected = basis @ plane
        distance = np.linalg.norm(lab - expected[..., :3], axis=-1).astype(np.float32)
        return Ground(distance, expected[..., 3:].astype(np.float32), float(near.mean()))
    return Ground(np.full((height, width), np.inf, np.float32), np.zeros_like(lab), 0.0)


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


def soften(distance: Float32, ground: Mask) -> Float32:
    """Alpha 0..1: 0 on the ground, 1 inside, and by distance in the pixels that touch the ground."""
    edge = ndimage.binary_dilation(ground, iterations=EDGE_PX) & ~ground
    alpha: Float32 = np.where(ground, np.float32(0), np.float32(1))
    alpha[edge] = np.clip((distance[edge] - NEAR) / (FAR - NEAR), 0, 1)
    return alpha


def _with_alpha(rgb: npt.NDArray[np.uint8], ground: Float32, alpha: Float32) -> Image.Image:
    """RGBA whose edge pixels are freed of the ground's share in their colour."""
    edge = (alpha > 0) & (alpha < 1)
    share = np.maximum(alpha[edge], np.float32(0.1))[:, None]
    colours = rgb.copy()
    own = (rgb[edge] - (1 - share) * ground[edge]) / share
    colours[edge] = np.clip(np.rint(own), 0, 255).astype(np.uint8)
    bytes_of_alpha = np.rint(alpha * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([colours, bytes_of_alpha]))


def _border(height: int, width: int) -> Mask:
    depth = max(1, round(BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), bool)
    border[depth:-depth, depth:-depth] = False
    return border
