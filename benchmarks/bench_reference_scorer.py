"""The reference scorer with full-size networks on a GPU, beside the same measures one picture at a time.

Needs no weights: the networks are built at random, as large and as slow as the trained ones. The loop does
what the official code does: float32 DINOv2 on one view after the other, LPIPS and SSIM on one pair after the
other, CLIP on all views under autocast, each measure waited for. Medians of warm runs; differences between
both ways come from the same run.

usage: bench_reference_scorer.py [--asset FILE.ply] [--validations N] [--eager] [--float32]
    --asset        what is drawn; without, a ball of 52,709 splats
    --validations  in a row, to see whether memory grows (1000)
    --eager        without compiled blocks
    --float32      DINOv2's products in float32 instead of three in TF32
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import psutil
import torch
from full_size import on_gpu
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from subnet17.deadline import Deadline
from subnet17.gpu.card import Card
from subnet17.gpu.models import ModelCache
from subnet17.settings import ValidationTable
from subnet17.splat.cameras import RenderableCloud, fit_for_render, official_cameras
from subnet17.splat.ply import read_ply
from subnet17.splat.rasterize_gpu import render_views_on_gpu
from subnet17.validation.scoring.reference import perceptual, pictures, similarity
from subnet17.validation.scoring.reference.image_alignment import ImageAlignment
from subnet17.validation.scoring.reference.network import Network
from subnet17.validation.scoring.reference.offer import Offer
from subnet17.validation.scoring.reference.quality import QualityNetwork
from subnet17.validation.scoring.reference.scorer import (
    IMAGE,
    KINDS,
    LPIPS,
    QUALITY,
    SSIM,
    TEXT,
    ReferenceScorer,
)
from subnet17.validation.scoring.reference.text_alignment import SIDE_PX, TextAlignment
from subnet17.validation.scoring.warmup import make_ball

DEVICE = torch.device("cuda:0")
SPLATS = 52_709
RUNS = 20
DINO = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "image_size": 518,
    "patch_size": 14,
}
VIT_LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 1280,
}
ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
WORDS = (f"a red ball, number {number}" for number in range(10**9))


def say(name: str, value: object, unit: str = "") -> None:
    print(f"{time.strftime('%H:%M:%S')} {name:<58} {value:>12} {unit}", flush=True)


def measure_ms(run: Callable[[], object], *, runs: int = RUNS, warm: int = 3) -> float:
    """Median milliseconds, the GPU waited for."""
    times = []
    for number in range(warm + runs):
        torch.cuda.synchronize()
        started_s = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if number >= warm:
            times.append(1000 * (time.perf_counter() - started_s))
    return statistics.median(times)


def busy_ms(run: Callable[[], object]) -> float:
    """Milliseconds in which kernels ran."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return float(sum(event.self_device_time_total for event in seen.key_averages())) / 1000


class Peers:
    """The four measures one picture, or one pair, at a time; in float32 where the official code is."""

    def __init__(self, clip: Any, tokenizer: Any, backbone: Any, head: nn.Linear, alexnet: Any, heads: Any):
        self.clip, self.tokenizer = clip, tokenizer
        self.backbone, self.head = backbone, head
        self.alexnet, self.heads = alexnet, heads

    def leave_gpu(self) -> None:
        """Gives the memory back, so that what is left is ours."""
        for network in (self.clip, self.backbone, self.head, self.alexnet):
            network.cpu()
        torch.cuda.empty_cache()

    def alignment(self, images: Tensor, prompt: str) -> Tensor:
        with torch.autocast("cuda", torch.float16):
            seen = self.clip.encode_image(pictures.clip_input(images, SIDE_PX))
            text = self.clip.encode_text(self.tokenizer(prompt).to(DEVICE))
            seen /= seen.norm(dim=-1, keepdim=True)
            text /= text.norm(dim=-1, keepdim=True)
            return (seen @ text.T)[:, 0].float().cpu()

    def iqa(self, images: Tensor) -> Tensor:
        found = []
        for image in images:
            tokens = self.backbone(pictures.quality_input(image[None])).last_hidden_state
            found.append(float(torch.sigmoid(self.head(tokens[:, 0]))))
        return torch.tensor(found)

    def lpips(self, images: Tensor) -> Tensor:
        found = []
        for image, following in zip(images, images.roll(-1, dims=0), strict=True):
            apart = 0.0
            layers = [self._layers(image), self._layers(following)]
            for a, b, head in zip(*layers, self.heads, strict=True):
                apart += float(((a - b).square() * head[:, None, None]).sum(dim=1).mean())
            found.append(apart)
        return torch.tensor(found)

    def _layers(self, image: Tensor) -> list[Tensor]:
        layers = self.alexnet(perceptual._normalised(pictures.lpips_input(image[None])))
        return [layer / torch.sqrt(1e-8 + layer.square().sum(dim=1, keepdim=True)) for layer in layers]

    def ssim(self, images: Tensor) -> Tensor:
        try:
            from torchmetrics.functional.image import structural_similarity_index_measure as ssim
        except ImportError:
            return similarity.neighbour_ssims(images, similarity.window_taps().to(DEVICE)).cpu()
        planes = images.permute(0, 3, 1, 2) / 255.0
        pairs = zip(planes, planes.roll(-1, dims=0), strict=True)
        return torch.tensor([float(ssim(a[None], b[None], data_range=1.0)) for a, b in pairs])


def build() -> tuple[Peers, Any]:
    """The networks of the peers, and LLM2CLIP's image tower, which has no peer here."""
    import open_clip
    from open_clip.model import CLIP
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    single = torch.float32
    config = open_clip.get_model_config("convnext_large_d")
    peers = Peers(
        clip=on_gpu(lambda: CLIP(**config), single),
        tokenizer=open_clip.get_tokenizer("convnext_large_d"),
        backbone=on_gpu(lambda: Dinov2Model(Dinov2Config(**DINO)), single),
        head=on_gpu(lambda: nn.Linear(DINO["hidden_size"], 1), single),
        alexnet=perceptual.AlexFeatures(_alexnet_state()).to(DEVICE).requires_grad_(False),
        heads=[torch.rand(shape[0], device=DEVICE) / shape[0] for shape in ALEXNET.values()],
    )
    tower = CLIPVisionConfig(**VIT_LARGE)
    return peers, on_gpu(lambda: CLIPVisionModelWithProjection(tower), torch.float16)


def _alexnet_state() -> dict[str, Tensor]:
    state = {}
    for number, (out, into, kernel) in ALEXNET.items():
        scale = (into * kernel * kernel) ** -0.5
        state[f"features.{number}.weight"] = torch.randn(out, into, kernel, kernel) * scale * 1.4
        state[f"features.{number}.bias"] = torch.zeros(out)
    return state


def new_scorer(peers: Peers, vision: Any, *, compiled: bool, splits: bool | None) -> ReferenceScorer:
    """The scorer over copies of the random networks, warm."""
    cache = ModelCache(Card(str(DEVICE)), idle_unload_s=0, reserve_bytes=0)
    scorer = ReferenceScorer(ValidationTable(device=str(DEVICE)), cache)
    heads = nn.ParameterList([head.clone() for head in peers.heads])
    networks: dict[str, Callable[[], Network]] = {
        TEXT: lambda: TextAlignment(deepcopy(peers.clip), peers.tokenizer, DEVICE, compiled=compiled),
        IMAGE: lambda: ImageAlignment(vision, DEVICE, compiled=compiled),
        QUALITY: lambda: QualityNetwork(
            deepcopy(peers.backbone), deepcopy(peers.head), DEVICE, compiled=compiled, splits=splits
        ),
        LPIPS: lambda: perceptual.Perceptual(deepcopy(peers.alexnet), heads, DEVICE),
    }
    for name, make in networks.items():
        cache.register(name, lambda make=make: make().loaded, 10**9)  # type: ignore[misc]
    scorer.offer = Offer(["text", "image"], KINDS, lambda _: "")
    started_s = time.perf_counter()
    scorer.warm_up(Deadline.after(900))
    say("loaded, compiled, recorded", f"{time.perf_counter() - started_s:.1f}", "s")
    return scorer


def parts(scorer: ReferenceScorer, images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Our measures, one by one, their networks in place."""

    def leased(name: str, use: Callable[[Any], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with scorer._cache.lease(name, Deadline.after(60)) as network:
                return use(network)

        return run

    return {
        "alignment": leased(TEXT, lambda n: n.cosines(images, next(WORDS), 16)),
        "alignment, same prompt": leased(TEXT, lambda n: n.cosines(images, "a red ball", 16)),
        "iqa": leased(QUALITY, lambda n: n.scores(images, 16)),
        "lpips": leased(LPIPS, lambda n: n.distances(images, 16)),
        "ssim": leased(SSIM, lambda n: n.similarities(images, 16)),
    }


def side_by_side(scorer: ReferenceScorer, peers: Peers, images: Tensor) -> None:
    loops: dict[str, Callable[[], Tensor]] = {
        "alignment": lambda: peers.alignment(images, "a red ball"),
        "iqa": lambda: peers.iqa(images),
        "lpips": lambda: peers.lpips(images),
        "ssim": lambda: peers.ssim(images),
    }
    ours = parts(scorer, images)
    for name, run in ours.items():
        say(f"ours: {name}", f"{measure_ms(run):.2f}", "ms")
        say("  GPU busy in it", f"{busy_ms(run):.2f}", "ms")
    for name, run in loops.items():
        say(f"one at a time: {name}", f"{measure_ms(run, runs=5):.2f}", "ms")
    for name, run in loops.items():
        mine = ours["alignment, same prompt" if name == "alignment" else name]().cpu()
        say(f"largest difference of a view: {name}", f"{(mine - run()).abs().max():.2e}")


def exact_ssim(scorer: ReferenceScorer, peers: Peers, images: Tensor) -> None:
    """Both against the same measure in float64."""
    exact = similarity.neighbour_ssims(images.double(), similarity.window_taps().to(DEVICE).double()).cpu()
    ways = {"ours": parts(scorer, images)["ssim"], "one at a time": lambda: peers.ssim(images)}
    for name, run in ways.items():
        apart = run().cpu() - exact
        say(
            f"ssim, {name}: largest and mean difference to float64",
            f"{apart.abs().max():.1e} {apart.mean():.1e}",
        )


def whole(scorer: ReferenceScorer, scene: RenderableCloud) -> None:
    cameras = official_cameras()

    def draw() -> Any:
        return render_views_on_gpu(scene, cameras, DEVICE)

    say("render, 16 views", f"{measure_ms(draw):.2f}", "ms")
    views = draw()
    picture = views.images[1][::2, ::2].copy()
    ways: dict[str, Callable[[], object]] = {
        "score a text, new each time": lambda: scorer.score_text(views, next(WORDS)),
        "score a text, the same": lambda: scorer.score_text(views, "a red ball"),
        "score a picture, the same": lambda: scorer.score_image(views, picture),
    }
    for name, run in ways.items():
        say(name, f"{measure_ms(run):.2f}", "ms")

    def validate() -> Any:
        return scorer.score_text(draw(), next(WORDS))

    say("WHOLE: render and score a text, new each time", f"{measure_ms(validate):.2f}", "ms")
    say("  GPU busy in it", f"{busy_ms(validate):.2f}", "ms")


def endurance(scorer: ReferenceScorer, scene: RenderableCloud, validations: int) -> None:
    cameras, process = official_cameras(), psutil.Process()
    torch.cuda.reset_peak_memory_stats()
    seen = []
    for number in range(validations):
        scorer.score_text(render_views_on_gpu(scene, cameras, DEVICE), next(WORDS))
        if number in {max(0, validations // 10 - 1), validations - 1}:
            allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
            seen.append((allocated / 1e6, reserved / 1e6, process.memory_info().rss / 1e6))
    for name, first, last in zip(("allocated", "reserved", "host"), *seen, strict=True):
        label = f"{name} after {validations // 10} and {validations} validations"
        say(label, f"{first:.0f} {last:.0f}", "MB")
    say("peak allocated", f"{torch.cuda.max_memory_allocated() / 1e9:.2f}", "GB")


def read_scene(asset: str) -> RenderableCloud:
    cloud = read_ply(Path(asset).read_bytes()) if asset else make_ball(SPLATS)
    return fit_for_render(cloud)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--asset", default="")
    parser.add_argument("--validations", type=int, default=1000)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--float32", action="store_true")
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    asked = read_arguments()
    say(torch.cuda.get_device_name(), torch.__version__)
    scene = read_scene(asked.asset)
    say("splats", len(scene.means))
    peers, vision = build()
    scorer = new_scorer(peers, vision, compiled=not asked.eager, splits=False if asked.float32 else None)
    say("weights in place", f"{scorer._cache.card.counted_bytes / 1e9:.2f}", "GB")
    images = render_views_on_gpu(scene, official_cameras(), DEVICE).tensor
    side_by_side(scorer, peers, images)
    exact_ssim(scorer, peers, images)
    whole(scorer, scene)
    peers.leave_gpu()
    endurance(scorer, scene, asked.validations)


if __name__ == "__main__":
    main()
