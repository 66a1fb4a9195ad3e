"""How well made a rendered asset looks, without a learned network.

Covers: what separates a clean asset from a broken or noisy one: how much of the frame it fills, holes in its
surface, a frayed or blurred outline, loose crumbs, colour and brightness speckle, blur.
Does not cover: beauty, realism, whether the object makes sense. A clean grey box is clean.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subnet17.validation.scoring.ramps import fall, rise

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

JUDGED_VIEWS = slice(0, 15, 2)
"""Every other of the 15 distinct views: the rest adds time and changes no verdict."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
CRUMB_SHARE = 0.02
"""A piece of the silhouette smaller than this share of the largest one is a crumb."""
_SQUARE_3 = np.ones((1, 3, 3), bool)
_SQUARE_5 = np.ones((1, 5, 5), bool)


def measure_quality(images: Float32, alphas: Float32) -> dict[str, float]:
    """Measures the 16 official views at half size.

    Args:
        images: (16, H, W, 3) RGB in 0..1, halved. alphas: (16, H, W) in 0..1, halved.

    Returns:
        coverage: share of the frame inside the silhouette.
        cut_off: share of the frame's border that the object touches.
        haze: half-transparent pixels per pixel of outline; a crisp asset has 1 to 2.
        holes: mean transparency inside the closed silhouette.
        fray: outline pixels that smoothing removes or adds, per pixel of outline.
        crumbs: share of the silhouette in loose pieces.
        thinness: smallest view of the object over the median one.
        chroma_noise, luma_noise: energy at the finest scale over the energy at four times that scale.
        chroma_share: chroma energy over luma energy, at the coarse scale.
        contrast: mean luma energy over all three scales.
    """
    images, alphas = images[JUDGED_VIEWS], alphas[JUDGED_VIEWS]
    silhouettes = alphas > 0.5
    if not silhouettes.any():
        return {"coverage": 0.0}
    return _measure_outline(alphas, silhouettes) | _measure_texture(images, _interior(silhouettes))


def halve(images: NDArray[np.generic]) -> Float32:
    """(C, H, W, ...) to (C, H // 2, W // 2, ...) float32: means of 2 x 2 pixels, an odd last one dropped."""
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    rows = np.add(images[:, 0:height:2], images[:, 1:height:2], dtype=np.float32)
    total = rows[:, :, 0:width:2] + rows[:, :, 1:width:2]
    total *= np.float32(0.25)
    return np.asarray(total)


def _close(silhouettes: Mask) -> Mask:
    padded = np.pad(silhouettes, ((0, 0), (4, 4), (4, 4)))  # closing eats into the frame's border otherwise
    return np.asarray(ndimage.binary_closing(padded, _SQUARE_5)[:, 4:-4, 4:-4])


def _interior(silhouettes: Mask) -> Mask:
    inner = ndimage.binary_erosion(_close(silhouettes), _SQUARE_5)
    return np.asarray(inner if inner.any() else silhouettes)


def _measure_outline(alphas: Float32, silhouettes: Mask) -> dict[str, float]:
    outline_px = max(int((silhouettes & ~ndimage.binary_erosion(silhouettes, _SQUARE_3)).sum()), 1)
    smoothed = ndimage.binary_opening(_close(silhouettes), _SQUARE_5)
    areas = silhouettes.mean(axis=(1, 2))
    border = np.concatenate([silhouettes[:, [0, -1]].ravel(), silhouettes[:, :, [0, -1]].ravel()])
    return {
        "coverage": float(areas.mean()),
        "cut_off": float(border.mean()),
        "haze": float(((alphas > 0.1) & (alphas < 0.9)).sum() / outline_px),
        "holes": float((1 - alphas)[_interior(silhouettes)].mean()),
        "fray": float((silhouettes ^ smoothed).sum() / outline_px),
        "crumbs": _crumb_share(alphas),
        "thinness": float(areas.min() / max(np.median(areas), 1e-6)),
    }


def _crumb_share(alphas: Float32) -> float:
    loose, total = 0, 0
    for alpha in alphas[::2]:
        labels, _ = ndimage.label(alpha > 0.1)
        sizes = np.bincount(labels.ravel())[1:]
        if len(sizes):
            loose += int(sizes[sizes < CRUMB_SHARE * sizes.max()].sum())
            total += int(sizes.sum())
    return loose / max(total, 1)


def _measure_texture(images: Float32, interior: Mask) -> dict[str, float]:
    luma = images @ LUMA
    luma_bands = _band_energies(luma, interior)
    red, blue = (_band_energies(images[..., channel] - luma, interior) for channel in (0, 2))
    chroma_bands = [(r + b) / 2 for r, b in zip(red, blue, strict=True)]
    floor = 2e-3  # below half a grey level there is no texture to judge
    return {
        "chroma_noise": chroma_bands[0] / (chroma_bands[2] + floor),
        "luma_noise": luma_bands[0] / (luma_bands[2] + floor),
        "chroma_share": chroma_bands[2] / (luma_bands[2] + 2 * floor),
        "contrast": sum(luma_bands),
    }


def _band_energies(plane: Float32, interior: Mask) -> list[float]:
    """Mean absolute detail inside the object, finest first: between blurs of sigma 0, 1, 2 and 4 px."""
    blurred = [plane, *(ndimage.gaussian_filter(plane, (0, s, s), truncate=3.0) for s in (1, 2, 4))]
    return [float(np.abs(fine - coarse)[interior].mean()) for fine, coarse in pairwise(blurred)]


def judge_quality(measured: dict[str, float]) -> dict[str, float]:
    """Turns `measure_quality`'s numbers into verdicts, each in 0..1."""
    if measured["coverage"] <= 0:
        return {"visible": 0.0}
    in_frame = rise(measured["coverage"], low=-0.02, high=0.03) * fall(measured["cut_off"], good=0.0, bad=0.8)
    return {
        "framing": in_frame,
        "solidity": fall(measured["holes"], good=0.01, bad=0.06),
        "outline": fall(measured["haze"], good=1.5, bad=5.0) * fall(measured["fray"], good=0.2, bad=1.2),
        "wholeness": fall(measured["crumbs"], good=0.0, bad=0.1),
        "body": rise(measured["thinness"], low=-0.15, high=0.2),
        "detail": rise(measured["contrast"], low=-0.03, high=0.04),
        "colour_calm": fall(measured["chroma_noise"], good=0.3, bad=0.85),
        "texture_calm": fall(measured["luma_noise"], good=0.35, bad=0.8),
        "colour_share": fall(measured["chroma_share"], good=0.7, bad=1.6),
    }


WEIGHTS = {
    "visible": 1.0,
    "framing": 0.1,
    "solidity": 0.1,
    "outline": 0.25,
    "wholeness": 0.1,
    "body": 0.05,
    "detail": 0.05,
    "colour_calm": 0.2,
    "texture_calm": 0.1,
    "colour_share": 0.1,
}
"""Exponents of the weighted geometric mean: one bad verdict can't be bought off by the others."""
WORST_VERDICT = 1e-3
"""Below this a verdict says no more: it is bad."""


def combine_quality(verdicts: dict[str, float]) -> float:
    """One quality in 0..1: the weighted geometric mean of `judge_quality`'s verdicts."""
    logarithms = {name: math.log(max(verdict, WORST_VERDICT)) for name, verdict in verdicts.items()}
    total = sum(WEIGHTS[name] for name in verdicts)
    return math.exp(sum(WEIGHTS[name] * value for name, value in logarithms.items()) / total)
