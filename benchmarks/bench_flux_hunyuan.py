"""Text to SPZ with full-size models on a GPU, stage by stage, beside diffusers' and hy3dgen's own calls.

Needs a GPU with 100 GB and no weights (full_size.py). Prints one line per figure, medians of warm runs.

usage: bench_flux_hunyuan.py [peers] [ours | capped]
    peers   diffusers' and hy3dgen's own calls, eager, everything on the card
    ours    the back end with the whole card
    capped  the back end in 24 GB: peak, growth over 50 generations, idle memory, a swap
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from full_size import lay_over, random_flux, random_hunyuan
from PIL import Image, ImageDraw
from torch.profiler import ProfilerActivity, profile

from subnet17.deadline import Deadline
from subnet17.generation import flux_hunyuan
from subnet17.generation.flux_hunyuan import FluxHunyuan
from subnet17.generation.picture.text_to_image import TextToImage
from subnet17.generation.request import GenerationRequest
from subnet17.generation.shape.field_decoder import BATCH_POINTS, FieldDecoder
from subnet17.generation.shape.image_to_shape import ImageToShape
from subnet17.settings import GenerationTable

PROMPT = "a cute cat wearing a wizard hat"
RESOLUTION = 380
GENERATIONS = 50
CAP_BYTES = 24 * 10**9
TURBO = {"num_inference_steps": 5, "guidance_scale": 1.0}
"""Without guidance the standard model does what the turbo one does in a step."""
SEED = {"num_inference_steps": 30, "guidance_scale": 5.0}
DATA = Path("/tmp/s17-bench")  # noqa: S108


def say(name: str, value: object, unit: str = "") -> None:
    print(f"{time.strftime('%H:%M:%S')} {name:<58} {value:>10} {unit}", flush=True)


def measure(run: Callable[[], object], *, runs: int = 5, warm: int = 1) -> float:
    """Median seconds, the GPU waited for."""
    times = []
    for number in range(warm + runs):
        torch.cuda.synchronize()
        started_s = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if number >= warm:
            times.append(time.perf_counter() - started_s)
    return statistics.median(times)


def picture() -> Image.Image:
    """A ball on white: what random weights paint shows nothing."""
    image = Image.new("RGB", (512, 512), "white")
    ImageDraw.Draw(image).ellipse((96, 96, 416, 416), fill=(200, 60, 40))
    return image


def cut() -> Image.Image:
    image = picture().convert("RGBA")
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse((96, 96, 416, 416), fill=255)
    image.putalpha(mask)
    return image


@torch.inference_mode()
def peers(flux: Any, hunyuan: Any) -> None:
    def paint() -> object:
        return flux(
            PROMPT, num_inference_steps=4, height=512, width=512, guidance_scale=0.0, max_sequence_length=256
        )

    say("diffusers FluxPipeline, 4 steps, 512 px, bf16 eager", f"{measure(paint):.3f}", "s")

    def shape(steps: int, guidance: float) -> Any:
        return hunyuan(
            cut(), num_inference_steps=steps, guidance_scale=guidance, output_type="latent", enable_pbar=False
        )

    say("hy3dgen latents, 5 steps without CFG", f"{measure(lambda: shape(5, -1.0)):.3f}", "s")
    say("hy3dgen latents, 30 steps with CFG", f"{measure(lambda: shape(30, 5.0), runs=3):.3f}", "s")
    latents = hunyuan.vae(shape(5, -1.0) / hunyuan.vae.scale_factor)
    decoder = hunyuan.vae.geo_decoder
    plain = type(decoder).forward

    def decode(self: Any, queries: Any = None, query_embeddings: Any = None, latents: Any = None) -> Any:
        answers = plain(self, queries=queries, latents=latents)
        return lay_over(answers[..., 0], queries)[..., None].to(answers.dtype)

    type(decoder).forward = decode
    hunyuan.vae.enable_flashvdm_decoder(mc_algo="mc")

    def mesh() -> object:
        return hunyuan.vae.latents2mesh(
            latents,
            bounds=1.01,
            mc_level=0.0,
            num_chunks=20000,
            octree_resolution=RESOLUTION,
            mc_algo="mc",
            enable_pbar=False,
        )

    say("hy3dgen FlashVDM + marching cubes at 380, to a mesh", f"{measure(mesh, runs=2):.3f}", "s")
    type(decoder).forward = plain
    hunyuan.vae.enable_flashvdm_decoder(enabled=False)
    decoder.set_cross_attention_processor(_plain_attention())


def _plain_attention() -> Any:
    from hy3dgen.shapegen.models.autoencoders.attention_processors import CrossAttentionProcessor

    return CrossAttentionProcessor()


class DrawnTextToImage(TextToImage):
    """Paints, then hands out a drawn picture of the same size."""

    def __call__(self, *args: Any, **keywords: Any) -> list[Image.Image]:
        painted = super().__call__(*args, **keywords)
        return [picture().resize(image.size) for image in painted]


@contextmanager
def back_end(flux: Any, hunyuan: Any, **settings: Any) -> Iterator[FluxHunyuan]:
    in_batches = FieldDecoder._in_batches

    def overlaid(self: FieldDecoder, points: Any, keys: Any, values: Any) -> Any:
        return lay_over(in_batches(self, points, keys, values), points)

    FieldDecoder._in_batches = overlaid  # type: ignore[method-assign]
    flux_hunyuan.TextToImage = lambda *a, **k: DrawnTextToImage(*a, load=lambda _: flux, **k)  # type: ignore[attr-defined,assignment]
    flux_hunyuan.ImageToShape = lambda *a, **k: ImageToShape(*a, load=lambda _: hunyuan, **k)  # type: ignore[attr-defined,assignment]
    table = GenerationTable(
        device="cuda", octree_resolution=RESOLUTION, load_timeout_s=900, **(TURBO | settings)
    )
    made = FluxHunyuan(table, DATA)
    started_s = time.perf_counter()
    made._pieces.text_to_image.warm_up([512], deadline=Deadline.after(900))
    say("  text to image loaded and compiled", f"{time.perf_counter() - started_s:.1f}", "s")
    started_s = time.perf_counter()
    made._pieces.image_to_shape.warm_up(Deadline.after(900))
    say("  shape loaded and compiled", f"{time.perf_counter() - started_s:.1f}", "s")
    yield made
    FieldDecoder._in_batches = in_batches  # type: ignore[method-assign]


def use(made: FluxHunyuan, **settings: Any) -> None:
    """Other steps and guidance, with the same models."""
    table = made._settings.model_copy(update=settings)
    made._settings = table
    made._pieces.image_to_shape._settings = table
    object.__setattr__(made._pieces, "settings", table)


def generate(made: FluxHunyuan, seed: int = 0, prompt: str = PROMPT) -> Any:
    return made.generate(GenerationRequest(prompt, None, seed, "spz", "balanced"))


def stages(made: FluxHunyuan, label: str, runs: int = 5, warm: int = 2) -> None:
    """Whole requests, each with a new prompt, so that the text encoder runs too."""
    made_assets = []
    numbers = iter(range(10**6))

    def run() -> None:
        made_assets.append(generate(made, prompt=f"{PROMPT} {label} {next(numbers)}"))

    say(f"{label}: whole, text to SPZ", f"{measure(run, runs=runs, warm=warm):.3f}", "s")
    for stage in made_assets[-1].timings_s:
        times = [asset.timings_s[stage] for asset in made_assets[warm:]]
        say(f"  {label}: {stage}", f"{statistics.median(times):.3f}", "s")
    say(f"  {label}: splats", made_assets[-1].splats)
    say(f"  {label}: bytes", len(made_assets[-1].data))


def parts(made: FluxHunyuan) -> None:
    """Single stages with their models in place."""
    pieces, deadline = made._pieces, Deadline.after(600)
    counter = iter(range(10**6))

    def paint() -> object:
        return pieces.text_to_image(f"{PROMPT} {next(counter)}", [1], size_px=512, steps=4, deadline=deadline)

    say("ours: text to image, 4 steps, 512 px, first calls", f"{measure(paint, runs=3):.3f}", "s")
    say("ours: text to image, 4 steps, 512 px", f"{measure(paint, warm=12):.3f}", "s")
    say("  GPU busy in it", f"{busy(paint):.3f}", "s")
    with pieces.image_to_shape.lease(deadline) as held:

        def turbo() -> object:
            return held.latents(cut(), [1], steps=5, guidance=1.0)

        def seed() -> object:
            return held.latents(cut(), [1], steps=30, guidance=5.0)

        with held.model.compiled.warming():
            held.latents(cut(), [1], steps=2, guidance=5.0)
        say("ours: latents, 5 steps without CFG, first calls", f"{measure(turbo, runs=3):.3f}", "s")
        say("ours: latents, 5 steps without CFG", f"{measure(turbo, warm=12):.3f}", "s")
        say("  GPU busy in it", f"{busy(turbo):.3f}", "s")
        say("ours: latents, 30 steps with CFG", f"{measure(seed, runs=3, warm=2):.3f}", "s")
        found = held.latents(cut(), [1], steps=5, guidance=1.0)
        points = torch.rand(2**20, 3, device="cuda") * 2 - 1
        for batch_points in (BATCH_POINTS, 65536, 131072):
            held.model.field_decoder.batch_points = batch_points
            field = held.decoder(found)
            with held.model.compiled.warming():
                field(points[:1])
            rate = 2**20 / measure(lambda field=field: field(points)) / 1e6  # type: ignore[misc]
            say(f"ours: field on points, {batch_points} at once", f"{rate:.2f}", "M/s")
        held.model.field_decoder.batch_points = BATCH_POINTS


def busy(run: Callable[[], object]) -> float:
    """Seconds in which kernels ran."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return float(sum(event.self_device_time_total for event in seen.key_averages())) / 1e6


def capped(made: FluxHunyuan) -> None:
    torch.cuda.reset_peak_memory_stats()
    stages(made, "24 GB turbo")
    numbers = []
    for number in range(GENERATIONS):
        generate(made, seed=number, prompt=f"{PROMPT} {number}")
        numbers.append(torch.cuda.memory_allocated())
        if number == 4:
            after_five = torch.cuda.memory_reserved()
    say("24 GB: peak allocated", f"{torch.cuda.max_memory_allocated() / 1e9:.2f}", "GB")
    say("24 GB: peak reserved", f"{torch.cuda.max_memory_reserved() / 1e9:.2f}", "GB")
    say(
        "24 GB: reserved after 5 and after all",
        f"{after_five / 1e9:.2f} {torch.cuda.memory_reserved() / 1e9:.2f}",
        "GB",
    )
    say("24 GB: allocated after 5 and after all", f"{numbers[4] / 1e9:.3f} {numbers[-1] / 1e9:.3f}", "GB")
    say("24 GB: degradation level", made._pressure.level.index)
    stages(made, "24 GB, warm")
    use(made, **SEED)
    stages(made, "24 GB, 30 steps, CFG", runs=2, warm=1)
    swaps(made)
    made._free()
    free, total = torch.cuda.mem_get_info()
    say("24 GB: used by the process after unloading", f"{(total - free) / 1e9:.2f}", "GB")
    say("24 GB: allocated after unloading", f"{torch.cuda.memory_allocated() / 1e9:.3f}", "GB")


def swaps(made: FluxHunyuan) -> None:
    made._free()
    model = made._cache._models["shape"]
    residence = model.residence
    host = residence._host.bytes
    target = torch.empty(len(host), dtype=torch.uint8, device="cuda")
    plain_s = measure(lambda: target.copy_(host, non_blocking=True))

    def swap() -> None:
        residence.move_in()
        residence.wait()

    times = []
    for _ in range(5):
        torch.cuda.synchronize()
        started_s = time.perf_counter()
        swap()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started_s)
        residence.move_out()
        torch.cuda.empty_cache()
    size = len(host)
    say("plain copy of the shape model, pinned", f"{size / plain_s / 1e9:.1f}", "GB/s")
    say("swap of the shape model", f"{statistics.median(times):.3f}", "s")
    say("swap over the plain copy", f"{statistics.median(times) / plain_s:.2f}")


def main() -> None:
    wanted = set(sys.argv[1:]) or {"peers", "ours"}
    say(torch.cuda.get_device_name(), torch.__version__)
    flux, hunyuan = random_flux(), random_hunyuan()
    say("models built", f"{torch.cuda.memory_allocated() / 1e9:.1f}", "GB")
    if "peers" in wanted:
        peers(flux, hunyuan)
    if "capped" in wanted:  # quantised block by block: the whole of it never lies on a small card
        flux.to("cpu")
        hunyuan.to("cpu")
        gc.collect()
        torch.cuda.empty_cache()
        say("moved to the host", f"{torch.cuda.memory_allocated() / 1e9:.1f}", "GB")
    limits = {"ours": 0, "capped": CAP_BYTES}
    for name in ("ours", "capped"):
        if name not in wanted:
            continue
        with back_end(flux, hunyuan, vram_limit_bytes=limits[name]) as made:
            if name == "ours":
                parts(made)
                stages(made, "turbo", warm=4)
                use(made, **SEED)
                stages(made, "30 steps, CFG", runs=3)
                use(made, **TURBO)
            else:
                capped(made)
        break  # the models are the back end's now


if __name__ == "__main__":
    main()
