"""One trial: a prompt and a seed, the asset made of them, its score, and the folder that keeps it all."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from subnet17.errors import ConfigError
from subnet17.splat.ply import read_ply
from subnet17.splat.spz import encode_spz
from subnet17.trials.servers import RunningServers

STEPS = ("generate", "score", "convert")
"""What a trial does, in order: `run_trial` reports each one when it is done."""

PREVIEWS = {"preview": "preview.png", "grid_preview": "grid.png"}


@dataclass(frozen=True)
class Trial:
    """What came of one prompt and seed.

    Attributes:
        ply: 3DGS PLY bytes. spz: the same splats as they would be submitted. glb: the mesh.
        verdict: The validation server's answer without the pictures.
        previews: File name -> PNG bytes.
        backend: What generated it.
        notes: The generator's remarks, such as unknown words.
        timings_s: Seconds per step.
    """

    prompt: str
    seed: int
    ply: bytes
    spz: bytes
    glb: bytes
    verdict: dict[str, Any]
    previews: dict[str, bytes]
    backend: str
    notes: list[str]
    timings_s: dict[str, float]

    @property
    def score(self) -> float:
        """The final score, 0..1."""
        return float(self.verdict["score"])

    @property
    def refusals(self) -> list[str]:
        """Why a validator would refuse the asset; empty when it would not."""
        return [str(reason.get("message", reason)) for reason in self.verdict.get("reasons", [])]

    def without_files(self) -> Trial:
        """The same without assets and grid: a thousand whole trials take tens of GB."""
        kept = {name: data for name, data in self.previews.items() if name == PREVIEWS["preview"]}
        return replace(self, ply=b"", spz=b"", glb=b"", previews=kept)

    def as_json(self) -> dict[str, Any]:
        """Everything but the files."""
        return {
            "prompt": self.prompt,
            "seed": self.seed,
            "score": self.score,
            "backend": self.backend,
            "notes": self.notes,
            "timings_s": self.timings_s,
            "bytes": {"ply": len(self.ply), "spz": len(self.spz), "glb": len(self.glb)},
            "verdict": self.verdict,
        }


def run_trial(
    servers: RunningServers, prompt: str, seed: int, *, on_step: Callable[[str], None] = lambda _: None
) -> Trial:
    """Generates an asset, scores it as it would be submitted, and fetches its mesh.

    Args:
        servers: Both must be ready.
        prompt: 1 to 1024 characters.
        seed: 0 to 2**63 - 1.
        on_step: Told the name of each step of `STEPS` once it is done.

    Raises:
        S17Error: a server failed or refused the prompt.
    """
    timings_s: dict[str, float] = {}

    def done(step: str, started_s: float) -> float:
        now_s = time.perf_counter()
        timings_s[step] = round(now_s - started_s, 3)
        on_step(step)
        return now_s

    started_s = time.perf_counter()
    ply, headers = servers.generate(prompt, seed=seed, asset_format="ply")
    started_s = done("generate", started_s)
    spz = encode_spz(read_ply(ply))
    verdict = servers.validate(prompt, spz)
    started_s = done("score", started_s)
    glb, _ = servers.generate(prompt, seed=seed, asset_format="glb")
    done("convert", started_s)
    previews = {
        name: base64.b64decode(picture)
        for key, name in PREVIEWS.items()
        if (picture := verdict.pop(key, None)) is not None
    }
    notes = json.loads(headers.get("x-notes", "[]"))
    return Trial(
        prompt, seed, ply, spz, glb, verdict, previews, headers.get("x-backend", ""), notes, timings_s
    )


def random_seed() -> int:
    """A seed for a trial that was not given one."""
    return secrets.randbelow(2**31)


@contextmanager
def open_run_folder(parent: Path) -> Iterator[Path]:
    """A new folder for a run, made before its work: one that can't be made must not cost a result.

    One that nothing was written to is taken away again.

    Raises:
        ConfigError: it can't be made.
    """
    try:
        folder = new_run_folder(parent)
    except OSError as error:
        raise ConfigError(f"can't write to {parent}: {error.strerror or error}", path=str(parent)) from None
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def new_run_folder(parent: Path) -> Path:
    """A new folder named by the time; never by the prompt, which a stranger may have written."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        folder = parent / (stamp if number == 0 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent / stamp} and 999 numbered ones exist")


def save_assets(trial: Trial, folder: Path) -> None:
    """Writes asset.ply, asset.spz, asset.glb, the previews and score.json."""
    files = {"asset.ply": trial.ply, "asset.spz": trial.spz, "asset.glb": trial.glb, **trial.previews}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "score.json").write_text(
        json.dumps(trial.as_json(), indent=2, ensure_ascii=False) + "\n", "utf-8"
    )
