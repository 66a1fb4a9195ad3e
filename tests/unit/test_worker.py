"""From an assignment to a submission: what the workshop does with candidates that fail."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from peers import SPZ, HeldClock, assignment

from subnet17.errors import AssetError, ConfigError, InvalidInputError, S17Error, StageError, UnavailableError
from subnet17.mining.gate import Gate
from subnet17.mining.metrics import Metrics
from subnet17.mining.strategy import Limits
from subnet17.mining.tasks import Assignment, Candidate, Score
from subnet17.mining.worker import Workshop

TASK: Assignment = assignment()


class ScriptedServers:
    """Scores candidates from a list: a figure, or an exception. Every one takes a second."""

    candidate_s = 1.0
    trouble = ""

    def __init__(self, clock: HeldClock, answers: list[Any]) -> None:
        self.clock = clock
        self.answers = answers
        self.seeds: list[int] = []
        self.backend = "flux-hunyuan"

    async def generate(self, _: Assignment, *, index: int, seed: int) -> Candidate:
        self.seeds.append(seed)
        self.clock.now_s += 1.0
        return Candidate(index, seed, SPZ + bytes([len(self.seeds)]), self.backend, 1.0)

    async def score(self, *_: object) -> Score:
        answer = self.answers.pop(0)
        if isinstance(answer, S17Error):
            raise answer
        return Score(answer, "reference", (), 0.1)


class Scene:
    """A workshop whose servers answer from a script."""

    def __init__(self, *answers: Any, public: bool = False) -> None:
        self.clock: Any = HeldClock()
        self.servers: Any = ScriptedServers(self.clock, list(answers))
        chain: Any = SimpleNamespace(is_public=public)
        self.workshop = Workshop(
            self.servers,
            Gate(chain, self.servers, allow_embedded=False),
            Metrics(),
            hotkey="5A",
            limits=Limits(min_score=0.7, max_candidates=len(answers)),
            stopping=asyncio.Event(),
            clock=self.clock,
        )

    def assignment(self) -> Assignment:
        """A task that was assigned just now."""
        return dataclasses.replace(TASK, assigned_s=self.clock.now_s)


@pytest.mark.parametrize("error", [AssetError("a broken SPZ"), StageError("no"), UnavailableError("down")])
async def test_a_later_failure_does_not_lose_the_good_candidate(error: S17Error) -> None:
    scene = Scene(0.8, error)
    made = await scene.workshop.work(scene.assignment())
    assert base64.b64decode(made.results) == SPZ + b"\1"
    assert made.score == 0.8


async def test_a_stand_in_that_takes_over_does_not_lose_the_real_candidate() -> None:
    scene = Scene(0.8, 0.9, public=True)
    real = scene.servers.generate

    async def generate(*given: Any, **more: Any) -> Candidate:
        candidate: Candidate = await real(*given, **more)
        scene.servers.backend = "procedural"
        return candidate

    scene.servers.generate = generate
    assert (await scene.workshop.work(scene.assignment())).score == 0.8


async def test_a_task_that_is_refused_at_once_is_skipped() -> None:
    made = await Scene(InvalidInputError("no")).workshop.work(TASK)
    assert made.is_skip
    assert "refuse" in made.reason


async def test_a_stand_in_alone_makes_nothing_for_a_public_network() -> None:
    scene = Scene(0.9, public=True)
    scene.servers.backend = "procedural"
    with pytest.raises(ConfigError):
        await scene.workshop.work(scene.assignment())


async def test_work_that_fails_again_and_again_on_healthy_servers_is_skipped() -> None:
    scene = Scene(StageError("no"))
    scene.servers.answers *= 9
    assert (await scene.workshop.work(scene.assignment())).is_skip
    assert len(set(scene.servers.seeds)) == len(scene.servers.seeds)


async def test_every_candidate_has_a_seed_of_its_own() -> None:
    scene = Scene(0.71, 0.9, 0.8)
    made = await scene.workshop.work(scene.assignment())
    assert made.score == 0.9
    assert len(set(scene.servers.seeds)) == 3


async def test_an_outage_of_the_scorer_costs_no_second_generation() -> None:
    scene = Scene(0.8)
    scene.servers.answers = [UnavailableError("down"), UnavailableError("down"), 0.8]
    assert (await scene.workshop.work(scene.assignment())).score == 0.8
    assert len(scene.servers.seeds) == 1
