"""The official scores by the shortest way: one picture after the other, in float32, nothing shared or cached.

Written from the description of validation service 2.4.0 alone; the scorer under test has no part in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.functional.image.lpips import _LPIPS

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def planes(view: np.ndarray) -> Tensor:
    return torch.from_numpy(view.astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None]


def channels(values: tuple[float, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype).view(1, 3, 1, 1)


def clip_pixels(view: np.ndarray, side_px: int) -> Tensor:
    half = planes(view).half()
    resized = functional.interpolate(half, size=(side_px, side_px), mode="bicubic", align_corners=False)
    mean = (torch.tensor(MEAN) * 3).half().view(1, 3, 1, 1)
    std = (torch.tensor(STD) * 3).half().view(1, 3, 1, 1)
    return ((resized - mean) / std).float()


def cosine(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def text_cosines(clip: Any, views: np.ndarray, prompt: str) -> list[float]:
    text = clip.encode_text(open_clip.get_tokenizer("convnext_large_d")(prompt))[0]
    return [cosine(clip.encode_image(clip_pixels(view, 224))[0], text) for view in views]


def image_cosines(vision: Any, views: np.ndarray, picture: np.ndarray) -> list[float]:
    wanted = vision(pixel_values=clip_pixels(picture, 336)).image_embeds[0]
    return [cosine(vision(pixel_values=clip_pixels(view, 336)).image_embeds[0], wanted) for view in views]


def qualities(backbone: Any, head: Any, views: np.ndarray) -> list[float]:
    mean, std = (channels(values) for values in IMAGENET)
    found = []
    for view in views:
        cls = backbone(pixel_values=(planes(view) - mean) / std).last_hidden_state[0, 0]
        found.append(float(torch.sigmoid(head(cls))))
    return found


def lpips_distances(alexnet: Any, views: np.ndarray) -> list[float]:
    measure = _LPIPS(pnet_rand=True, net="alex")
    measure.net.load_state_dict(_sliced(alexnet))
    small = [
        functional.interpolate(planes(view), size=(256, 256), mode="bicubic", align_corners=False).clip(0, 1)
        for view in views
    ]
    pairs = zip(small, small[1:] + small[:1], strict=True)
    return [float(measure(a, b, normalize=True)) for a, b in pairs]


def _sliced(alexnet: Any) -> dict[str, Tensor]:
    """torchmetrics cuts AlexNet's features into five pieces and keeps their numbers."""
    pieces = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
    named = {}
    for name, value in alexnet.features.state_dict().items():
        number, _, kind = name.partition(".")
        named[f"slice{pieces[int(number)]}.{number}.{kind}"] = value
    return named


def ssims(views: np.ndarray, dtype: torch.dtype = torch.float32) -> list[float]:
    following = np.roll(views, -1, axis=0)
    return [
        float(structural_similarity_index_measure(planes(a).to(dtype), planes(b).to(dtype), data_range=1.0))
        for a, b in zip(views, following, strict=True)
    ]


def kept(values: list[float]) -> list[float]:
    """Without those whose 5th nearest neighbour is farther than the 90th percentile of such distances."""
    ordered = sorted(values)
    far = [sorted(abs(a - b) for j, b in enumerate(ordered) if j != i)[4] for i, a in enumerate(ordered)]
    limit = np.percentile(far, 90)
    return [value for value, distance in zip(ordered, far, strict=True) if distance <= limit]


def root_of_product(values: list[float]) -> float:
    return float(np.prod(values) ** (1 / len(values)))


def official_score(iqa: float, alignment: float, ssim: float, lpips: float) -> float:
    if alignment < 0.3:
        return 0.0
    smooth = 0.025 / (1 + np.exp(-35 * (ssim - 0.83)))
    alike = 0.025 * lpips / (1 + np.exp(-30 * (lpips - 0.7)))
    return 0.75 * iqa + 0.2 * alignment + smooth + alike


def fixture_views(shared_dir: Path) -> np.ndarray:
    images: np.ndarray = np.load(shared_dir / "hamburger_views.npz")["images"]
    return images
