"""A flood of damaged requests through the functions that workers run, in a process with little memory.

`python tests/hostile_flood.py SEED COUNT` prints what became of them as JSON. What is not the caller's fault,
and every MemoryError (a lie about a size was believed), ends it with a traceback and the request in a file.
"""

from __future__ import annotations

import base64
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from subnet17.errors import InvalidInputError, UnavailableError  # noqa: E402
from subnet17.generation.request import (  # noqa: E402
    JSON,
    MULTIPART,
    URLENCODED,
    Received,
    parse_generation_request,
)
from subnet17.serving.inputs import load_image, read_image  # noqa: E402
from subnet17.splat.cameras import Cameras, RenderableCloud, RenderedViews, Views  # noqa: E402
from subnet17.splat.cloud import GaussianCloud  # noqa: E402
from subnet17.splat.ply import write_ply  # noqa: E402
from subnet17.splat.spz import encode_spz  # noqa: E402
from subnet17.validation import checks, pipeline  # noqa: E402
from subnet17.validation.choice import Choice  # noqa: E402
from subnet17.validation.convert import answer_conversion  # noqa: E402
from subnet17.validation.intake import Intake  # noqa: E402
from subnet17.validation.judge import CpuJudge  # noqa: E402
from subnet17.validation.requests import flatten_on_white  # noqa: E402
from subnet17.validation.scoring.scores import Scores  # noqa: E402
from subnet17.validation.verdict import Told  # noqa: E402
from tests.hostile_pictures import (  # noqa: E402
    encode,
    glb_with_texture,
    jpeg_of_scans,
    png_of_profiles,
)
from tests.mutations import EXTRA_MEMORY_BYTES, limit_memory, mutate  # noqa: E402

Job = Callable[[], Any]

SHARES = {"ply": 26, "spz": 26, "base64": 8, "json": 14, "image": 12, "form": 8, "mesh": 5, "conversion": 1}
"""Of a hundred."""
JSON_WORDS = (
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"Infinity", b"1" * 400, b"[]", b"{}", b'""', b"0.5", b"2"),
    *(b'"\\ud800"', b'"\\u0000"', b'"prompt"', b'"data"', b'"compression"', b'"seed"', b'"format"', b'"a"'),
    *(b"[" * 400, b"\\", b'"', b",", b":", b"\xff", b"\xef\xbb\xbf", b"\x00"),
)


class FakeScorer:
    """Likes everything."""

    measures: dict[str, str] = {}  # noqa: RUF012
    not_measured: list[str] = []  # noqa: RUF012

    def score_text(self, views: Views, prompt: str) -> Scores:
        return Scores(iqa=0.9, alignment=0.9, ssim=0.9, lpips=0.9)

    def score_image(self, views: Views, image: np.ndarray) -> Scores:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        return self.score_text(views, "")


class FakeJudge(CpuJudge):
    """Draws nothing, but insists that what it is given could be drawn."""

    def __init__(self) -> None:
        self.scorer = FakeScorer()

    def draw(self, scene: RenderableCloud, cameras: Cameras, *, tiles_per_view: int = 0) -> Views:
        assert all(np.isfinite(array).all() for array in vars(scene).values())
        assert scene.opacities.min() >= 0 and scene.opacities.max() <= 1 and scene.scales.min() >= 0
        assert np.allclose(np.linalg.norm(scene.quats, axis=1), 1, atol=1e-3)
        count = len(cameras)
        return RenderedViews(np.zeros((count, 8, 8, 3), np.uint8), np.zeros((count, 8, 8), np.float32))


class BlindIntake(Intake):
    """Without OpenGL, whose drivers take memory of their own."""

    def draw_mesh(self, mesh: trimesh.Trimesh, cameras: Cameras) -> Views:
        if len(mesh.faces) % 2:
            raise UnavailableError("no OpenGL in this test")
        return RenderedViews(
            np.zeros((len(cameras), 8, 8, 3), np.uint8), np.zeros((len(cameras), 8, 8), np.float32)
        )


def prepare() -> None:
    """Puts the fakes where a worker has its own, and lets small assets through to them."""
    choice = Choice("fake", "a test")
    pipeline._reader = pipeline.Reader(BlindIntake(64 * 2**20, 100_000), Told(choice, choice, {}, []))
    pipeline._judge = FakeJudge()
    checks.MIN_SPLATS = 8


@dataclass(frozen=True)
class Originals:
    """Sound inputs, small so that damage often hits what matters."""

    plys: list[bytes]
    spzs: list[bytes]
    pictures: list[bytes]
    meshes: list[bytes]


def make_originals() -> Originals:
    t = np.random.default_rng(0).normal(size=(24, 14)).astype(np.float32)
    cloud = GaussianCloud(t[:, :3], t[:, 3:6] - 4, t[:, 6:10], t[:, 10], t[:, 11:])
    ball = trimesh.creation.icosphere(subdivisions=1)
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    uv, texture = np.array([[0, 0], [1, 0], [1, 1]]), Image.new("RGB", (4, 4))
    sheet.visual = trimesh.visual.TextureVisuals(uv=uv, image=texture)
    obj = ball.export(file_type="obj", header=None)
    meshes = [ball.export(file_type="ply"), ball.export(file_type="ply", encoding="ascii")]
    meshes += [ball.export(file_type="glb"), sheet.export(file_type="glb")]
    meshes += [glb_with_texture(encode(Image.new("RGB", (9, 9)), "JPEG", progressive=True))]
    meshes += [meshes[1].replace(b"property float", b"property double")]
    meshes += [obj.encode() if isinstance(obj, str) else obj]
    meshes += [make_polygons([3, 4, 3, 7])]
    return Originals([write_ply(cloud)], [encode_spz(cloud)], make_pictures(), meshes)


def make_polygons(corners: list[int]) -> bytes:
    """A binary PLY of faces with so many corners each, which it names by a byte."""
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    header += f"property float z\nelement face {len(corners)}\nproperty list uchar uchar vertex_indices\n"
    faces = b"".join(bytes([count, *(corner % 3 for corner in range(count))]) for count in corners)
    return header.encode() + b"end_header\n" + np.eye(3, dtype="<f4").tobytes() + faces


def make_pictures() -> list[bytes]:
    noise = np.random.default_rng(1).integers(0, 256, (24, 20, 4), np.uint8)
    pictures = []
    for mode in ("RGBA", "RGB", "P", "L", "LA", "1"):
        pictures.append(encode(Image.fromarray(noise).convert(mode), "PNG"))
    rgb = Image.fromarray(noise).convert("RGB")
    pictures += [
        encode(rgb, "JPEG"),
        encode(rgb, "JPEG", progressive=True),
        encode(rgb.convert("CMYK"), "JPEG"),
    ]
    pictures += [encode(rgb, "WEBP"), encode(Image.fromarray(noise), "WEBP", lossless=True)]
    return pictures


def make_bombs() -> list[bytes]:
    """Pictures within the limits and beyond that ask for as much as they can."""
    white = Image.new("RGBA", (4096, 4096), (255, 255, 255, 9))
    return [
        encode(white, "PNG"),
        encode(white.convert("P"), "PNG"),
        encode(Image.new("1", (5000, 5000)), "PNG"),
        *make_slow_pictures(),
    ]


def make_slow_pictures() -> list[bytes]:
    return [jpeg_of_scans(2500), jpeg_of_scans(2500, "MPO"), png_of_profiles(1000)]


def make_mesh_bombs() -> list[bytes]:
    """Polygons of which few bytes make many triangles, and textures that would take long, or start a program
    of the system: Pillow reads EPS by Ghostscript."""
    foreign = [encode(Image.new("RGB", (64, 64)), form) for form in ("EPS", "ICO")]
    textured = [glb_with_texture(picture) for picture in [*make_slow_pictures(), *foreign]]
    return [make_polygons([255] * 20_000), *textured]


def validation_body(data: bytes, **fields: Any) -> bytes:
    text = base64.b64encode(data).decode()
    return json.dumps({"prompt": "a chair", "data": text} | fields).encode()


def edit_json(rng: random.Random, body: bytes) -> bytes:
    """Puts words of JSON, or what looks like them, in the place of others."""
    content = bytearray(body)
    for _ in range(rng.choice((0, 1, 1, 3))):
        at = rng.randrange(len(content) + 1)
        word = rng.choice(JSON_WORDS)
        content[at : at + rng.choice((0, 1, len(word)))] = word
    return bytes(content)


class Flood:
    """Draws damaged requests; every kind is a method."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.originals = make_originals()
        self.pictures = [*self.originals.pictures]

    def jobs(self, count: int) -> Iterator[tuple[str, Job, bytes]]:
        """`count` requests in a mixed order: their kinds, what to call, and what with, for a report."""
        kinds = [kind for kind, share in SHARES.items() for _ in range(count * share // 100)]
        self.rng.shuffle(kinds)
        for bomb in make_bombs():
            yield "bomb", lambda bomb=bomb: flatten_on_white(load_image(bomb, field="picture")), bomb
        for bomb in make_mesh_bombs():
            body = validation_body(bomb)
            yield "bomb", lambda body=body: pipeline.validate_text(body), body
            yield "bomb", lambda body=body: answer_conversion(body), body
        for kind in kinds:
            job, content = getattr(self, kind)()
            yield kind, job, content

    def asset(self, data: bytes, compression: int) -> tuple[Job, bytes]:
        rng = self.rng
        if rng.random() < 0.1:
            body = validation_body(data, compression=compression)
            return lambda: pipeline.render_duel_view(body), body
        body = validation_body(
            data, compression=compression, generate_preview=rng.random() < 0.1, generate_grid_preview=False
        )
        return lambda: pipeline.validate_text(body), body

    def ply(self) -> tuple[Job, bytes]:
        return self.asset(mutate(self.rng, self.rng.choice(self.originals.plys)), 0)

    def spz(self) -> tuple[Job, bytes]:
        return self.asset(mutate(self.rng, self.rng.choice(self.originals.spzs)), 2)

    def mesh(self) -> tuple[Job, bytes]:
        return self.asset(mutate(self.rng, self.rng.choice(self.originals.meshes)), 0)

    def conversion(self) -> tuple[Job, bytes]:
        data = mutate(self.rng, self.rng.choice(self.originals.meshes))
        body = validation_body(data, splats=7000, format=self.rng.choice(("ply", "spz")))
        return lambda: answer_conversion(body), body

    def base64(self) -> tuple[Job, bytes]:
        text = mutate(self.rng, base64.b64encode(self.originals.spzs[0]))
        body = json.dumps({"prompt": "a", "data": text.decode("latin-1"), "compression": 2}).encode()
        return lambda: pipeline.validate_text(body), body

    def json(self) -> tuple[Job, bytes]:
        rng = self.rng
        if rng.random() < 0.4:
            sound = json.dumps({"prompt": "a chair", "seed": 7, "format": "spz", "profile": "speed"}).encode()
            received = Received(JSON, edit_json(rng, rng.choice((sound, mutate(rng, sound)))))
            return self.generation(received), received.body
        head = validation_body(b"", compression=2, preview_score_threshold=0.5, generate_preview=False)[:-1]
        cut = rng.randrange(len(head))
        damaged = edit_json(rng, head[:cut]) + edit_json(rng, head[cut:] + b"}")
        body = damaged.replace(b'""', b'"%s"' % base64.b64encode(self.originals.spzs[0]))
        route = rng.choice((pipeline.validate_text, pipeline.validate_image, pipeline.render_duel_view))
        return lambda: route(body), body

    def image(self) -> tuple[Job, bytes]:
        picture = mutate(self.rng, self.rng.choice(self.originals.pictures))
        if self.rng.random() < 0.3:
            return lambda: flatten_on_white(load_image(picture, field="picture")), picture
        text = base64.b64encode(picture).decode()
        body = validation_body(self.originals.spzs[0], compression=2, prompt_image=text)
        return lambda: pipeline.validate_image(body), body

    def form(self) -> tuple[Job, bytes]:
        rng = self.rng
        sound = b"prompt=a+chair&seed=7&format=spz&profile=speed%20&%C3%A4=%F0%9F%98%80"
        body = mutate(rng, sound)
        if rng.random() < 0.5:
            return self.generation(Received(URLENCODED, body)), body
        names = rng.choices(("prompt", "seed", "format", "profile", "prompt_image", "prompt_image_file"), k=2)
        values = [rng.choice((body, body.decode("latin-1"), "7", "", "\ud800", "ply")) for _ in names]
        return self.generation(Received(MULTIPART, parts=tuple(zip(names, values, strict=True)))), body

    def generation(self, received: Received) -> Job:
        def parse() -> None:
            asked = parse_generation_request(received, default_profile="balanced")
            assert (asked.prompt is None) != (asked.image is None) and 0 <= asked.seed < 2**63
            if asked.image is not None:
                read_image(asked.image, field="prompt_image")

        return parse


def run(seed: int, count: int) -> dict[str, Any]:
    """Outcomes by kind, the slowest (CPU seconds), and the growth of memory."""
    flood = Flood(seed)
    outcomes: dict[str, Counter[str]] = {}
    slowest = (0.0, "")
    for kind, job, content in flood.jobs(count):
        started_s = time.process_time()
        outcome = answer_of(job, content)
        slowest = max(slowest, (time.process_time() - started_s, kind))
        outcomes.setdefault(kind, Counter())[outcome] += 1
    return {"outcomes": outcomes, "slowest_s": slowest[0], "slowest_kind": slowest[1]}


def answer_of(job: Job, content: bytes) -> str:
    """`read`, `scored 0` or `refused`; anything else is let through, and the request kept."""
    try:
        answer = job()
    except InvalidInputError as error:
        assert "MemoryError" not in error.message, error.message
        json.dumps(error.as_json(), allow_nan=False, ensure_ascii=False).encode()
        assert len(error.message) < 1000, error.message
        return "refused"
    except BaseException:
        kept = Path(tempfile.mkdtemp(prefix="hostile-")) / "request"
        kept.write_bytes(content)
        print(f"the request is in {kept}", file=sys.stderr)
        raise
    if not isinstance(answer, bytes) or answer.startswith(b"\x89PNG"):
        return "read"
    verdict = json.loads(answer)
    assert "MemoryError" not in answer.decode(), answer
    assert (verdict["score"] == 0) == bool(verdict["reasons"]), verdict
    assert all(reason["code"] and reason["message"] for reason in verdict["reasons"])
    return "scored 0" if verdict["reasons"] else "read"


if __name__ == "__main__":
    prepare()
    run(0, 400)  # what is loaded and compiled at first use is not growth
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    limit_memory(EXTRA_MEMORY_BYTES)
    told = run(int(sys.argv[1]), int(sys.argv[2]))
    after_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told | {"growth_bytes": after_bytes - before_bytes}))
