"""A machine and a market that change over days, for the optimizer: virtual time, the same for the same seed.

A profile takes so many seconds on an idle machine and scores so much; `slowness` multiplies the one, `rating`
is our place in the market, `real_loss` what real tasks score less than the benchmark says. All are functions
of the hours since the start.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from subnet17.errors import OverloadedError
from subnet17.ops.tuning.samples import Piece, Sample, Terms
from subnet17.ops.tuning.space import PROFILES
from subnet17.ops.tuning.switcher import Decision
from subnet17.ops.tuning.watch import Look, Watch

START_S = 1_700_000_000.0
ROUND_S = 1800.0
MOST_TASKS = 50
THRESHOLD = 0.6

Course = Callable[[float], float]
"""Hours since the start -> value."""


@dataclass
class SimulatedMachine:
    """Attributes: see the module.

    seconds, scores: By profile.
    task_s: Between two answered tasks.
    busy: Whether the servers have other work; then nothing can be measured.
    switches: Hour and profile of each switch.
    """

    seed: int = 0
    profile: str = "balanced"
    seconds: dict[str, float] = field(
        default_factory=lambda: dict(zip(PROFILES, (2.0, 3.5, 5.2), strict=True))
    )
    scores: dict[str, float] = field(
        default_factory=lambda: dict(zip(PROFILES, (0.7, 0.78, 0.9), strict=True))
    )
    slowness: Course = lambda hours: 1.0
    rating: Course = lambda hours: 1500.0
    real_loss: dict[str, float] = field(default_factory=dict)
    task_s: float = 120.0
    busy: Callable[[float], bool] = lambda hours: False
    now_s: float = START_S
    switches: list[tuple[float, str]] = field(default_factory=list)

    @property
    def hours(self) -> float:
        return (self.now_s - START_S) / 3600

    async def look(self, since_s: float) -> Look:
        if self.busy(self.hours):
            raise OverloadedError("the generation server has 2 jobs")
        rng = random.Random(f"{self.seed} {self.now_s}")
        samples = {name: self._benchmark(rng, name) for name in PROFILES}
        tasks = min(MOST_TASKS, int(max(0.0, self.now_s - max(since_s, START_S)) // self.task_s))
        loss = self.real_loss.get(self.profile, 0.0)
        real = Sample(tuple(self._piece(rng, f"task {n}", self.profile, loss, 0.06) for n in range(tasks)))
        factor = min(2.0, max(0.5, 1500 / self.rating(self.hours)))
        return Look(self.profile, samples, real, Terms(target_s=5.0, quality_factor=factor))

    async def switch(self, profile: str) -> None:
        self.switches.append((self.hours, profile))
        self.profile = profile

    def _benchmark(self, rng: random.Random, profile: str) -> Sample:
        return Sample(tuple(self._piece(rng, f"prompt {n}", profile, 0.0, 0.01) for n in range(4)))

    def _piece(self, rng: random.Random, name: str, profile: str, loss: float, noise: float) -> Piece:
        taken_s = self.seconds[profile] * self.slowness(self.hours) * rng.uniform(0.95, 1.05)
        score = min(1.0, max(0.0, rng.gauss(self.scores[profile] - loss, noise)))
        return Piece(name, taken_s, score, fit=score >= THRESHOLD)


def live_through(machine: SimulatedMachine, folder: Path, *, hours: float) -> list[Decision]:
    """Rounds of the optimizer for so long, each by a new one, as after a restart: all must be on disk."""

    async def live() -> list[Decision]:
        decisions = []
        for _ in range(int(hours * 3600 / ROUND_S)):
            watch = Watch(machine, folder, clock=lambda: machine.now_s)
            with suppress(OverloadedError):
                decisions.append(await watch.round())
            machine.now_s += ROUND_S
        return decisions

    return asyncio.run(live())
