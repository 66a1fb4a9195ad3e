"""From an assignment to a submission: what the workshop does with candidates that fail."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest
from peers import SPZ, HeldClock, assignment

from subnet17.errors import (
    AssetError,
    ConfigError,
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    PeerReplyError,
    PeerTimeoutError,
    S17Error,
    StageError,
    UnavailableError,
)
from subnet17.mining.acceptance import Outcome
from subnet17.mining.experience import Experience
from subnet17.mining.feedback import Prices
from subnet17.mining.gate import Gate
from subnet17.mining.journal import Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.resume import assignment_of
from subnet17.mining.strategy import Limits, seed_for
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission
from subnet17.mining.worker import Workshop

TASK: Assignment = assignment()


class ScriptedServers:
    """Scores candidates from a list: a figure, or an exception. Every one takes a second."""

    candidate_s = candidate_late_s = 1.0
    scorer = "reference"
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

    def __init__(self, folder: Path, *answers: Any, public: bool = False) -> None:
        self.clock: Any = HeldClock()
        self.journal = Journal.open(folder, clock=self.clock)
        self.servers: Any = ScriptedServers(self.clock, list(answers))
        chain: Any = SimpleNamespace(is_public=public)
        self.metrics = Metrics()
        self.experience = Experience(Prices())
        self.workshop = Workshop(
            self.servers,
            Gate(chain, self.servers, allow_embedded=False),
            self.metrics,
            self.journal,
            self.experience,
            hotkey="5A",
            limits=Limits(min_score=0.7, max_candidates=len(answers)),
            stopping=asyncio.Event(),
            clock=self.clock,
        )

    async def assignment(self) -> Assignment:
        """A task that was assigned just now."""
        task = dataclasses.replace(TASK, assigned_s=self.clock.now_s, assigned_at_s=self.clock.now_s)
        await self.journal.pulled(task)
        return task

    async def make(self) -> Submission:
        """What the workshop makes of it."""
        made = await self.workshop.work(await self.assignment())
        assert made is not None
        return made

    async def make_again(self) -> Submission:
        """What a workshop makes that takes the task up from the journal."""
        record = await self.journal.find(TASK.validator, TASK.task_id)
        assert record is not None
        made = await self.workshop.work(assignment_of(record, self.clock), record)
        assert made is not None
        return made


OpenScene = Callable[..., Scene]


@pytest.fixture
def open_scene(tmp_path: Path) -> OpenScene:
    return partial(Scene, tmp_path)


@pytest.mark.parametrize("error", [AssetError("a broken SPZ"), StageError("no"), UnavailableError("down")])
async def test_a_later_failure_does_not_lose_the_good_candidate(
    open_scene: OpenScene, error: S17Error
) -> None:
    scene = open_scene(0.8, error)
    scene.servers.answers = [0.8, error, error]
    made = await scene.make()
    assert base64.b64decode(made.results) == SPZ + b"\1"
    assert made.score == 0.8


async def test_a_stand_in_that_takes_over_does_not_lose_the_real_candidate(open_scene: OpenScene) -> None:
    scene = open_scene(0.8, 0.9, public=True)
    real = scene.servers.generate

    async def generate(*given: Any, **more: Any) -> Candidate:
        candidate: Candidate = await real(*given, **more)
        scene.servers.backend = "procedural"
        return candidate

    scene.servers.generate = generate
    assert (await scene.make()).score == 0.8


async def test_a_task_that_is_refused_at_once_is_skipped(open_scene: OpenScene) -> None:
    made = await open_scene(InvalidInputError("no")).make()
    assert made.is_skip
    assert "refuse" in made.reason


async def test_a_stand_in_alone_makes_nothing_for_a_public_network(open_scene: OpenScene) -> None:
    scene = open_scene(0.9, public=True)
    scene.servers.backend = "procedural"
    with pytest.raises(ConfigError):
        await scene.make()


LASTING = [
    StageError("no"),
    DeadlineError("never done in time"),
    PeerTimeoutError("no answer"),
    PeerReplyError("not SPZ"),
    UnavailableError("out of memory, twice"),
    OverloadedError("always full"),
]


@pytest.mark.parametrize("error", LASTING, ids=lambda error: error.code)
@pytest.mark.parametrize("stage", ["generate", "score"])
async def test_a_task_that_never_works_on_healthy_servers_is_skipped_and_frees_its_place(
    open_scene: OpenScene, stage: str, error: S17Error
) -> None:
    scene = open_scene(error)
    scene.servers.answers *= 99

    async def fail(*_: object, **__: object) -> Candidate:
        raise error

    if stage == "generate":
        scene.servers.generate = fail
    async with asyncio.timeout(10.0):  # a way out of a loop that would not end
        assert (await scene.make()).is_skip
    assert len(set(scene.servers.seeds)) == len(scene.servers.seeds)


async def test_every_candidate_has_a_seed_of_its_own(open_scene: OpenScene) -> None:
    scene = open_scene(0.71, 0.9, 0.8)
    made = await scene.make()
    assert made.score == 0.9
    assert len(set(scene.servers.seeds)) == 3


async def test_an_outage_of_the_scorer_costs_no_second_generation(open_scene: OpenScene) -> None:
    scene = open_scene(0.8)
    scene.servers.answers = [UnavailableError("down"), UnavailableError("down"), 0.8]
    assert (await scene.make()).score == 0.8
    assert len(scene.servers.seeds) == 1


async def test_a_task_taken_up_again_goes_on_with_what_was_made_before(open_scene: OpenScene) -> None:
    scene = open_scene(0.8, UnavailableError("down"))
    scene.servers.answers = [UnavailableError("down")]
    scene.workshop._stopping.set()
    with pytest.raises(UnavailableError):
        await scene.make()
    scene.workshop._stopping.clear()
    scene.servers.answers = [0.71, 0.9]
    made = await scene.make_again()
    assert (made.index, made.score, made.candidates) == (1, 0.9, 2)
    assert scene.servers.seeds == [seed_for("5A", "task-1", 0), seed_for("5A", "task-1", 1)]


async def test_a_scored_candidate_from_before_is_neither_made_nor_scored_again(open_scene: OpenScene) -> None:
    scene = open_scene(0.8)
    first = await scene.make()
    assert await scene.make_again() == dataclasses.replace(first, assignment=ANY)
    assert len(scene.servers.seeds) == 1


async def test_after_the_free_time_a_task_taken_up_again_is_handed_in_as_it_is(open_scene: OpenScene) -> None:
    scene = open_scene(0.8, 0.9, 0.95)
    scene.workshop._stopping.set()
    first = await scene.make()
    scene.workshop._stopping.clear()
    scene.clock.now_s += 3600.0
    assert (await scene.make_again()).results == first.results


async def test_a_finished_asset_that_the_disk_lost_is_made_anew_with_another_seed(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(0.8, 0.8)
    await scene.make()
    for path in scene.journal.folder.glob("assets/*/*"):
        path.write_bytes(b"rotten")
    scene.clock.now_s += 3600.0
    scene.servers.answers = [0.75]
    made = await scene.make_again()
    assert (made.score, made.index) == (0.75, len(set(scene.servers.seeds)) - 1)


async def test_the_end_of_a_task_is_told_when_its_last_candidate_begins(open_scene: OpenScene) -> None:
    scene = open_scene(0.8, 0.8, 0.8)
    told: list[tuple[int, float]] = []

    def ends_in(seconds: float) -> None:
        told.append((len(scene.servers.seeds), seconds))

    await scene.workshop.work(await scene.assignment(), ends_in=ends_in)
    assert told == [(2, 1.0)]


@pytest.mark.parametrize("error", [StageError("no"), UnavailableError("down"), PeerReplyError("no JSON")])
async def test_a_better_candidate_is_not_lost_to_one_stumble_of_the_scorer(
    open_scene: OpenScene, error: S17Error
) -> None:
    scene = open_scene(0.8, 0.9)
    scene.servers.answers = [0.8, error, 0.9]
    assert (await scene.make()).score == 0.9
    assert len(scene.servers.seeds) == 2
    figures = scene.metrics.as_json()
    assert (figures["scoring_errors"], figures["generation_success_rate"]) == (1, 1.0)


async def test_a_scorer_that_hangs_is_not_asked_again_while_there_is_a_result_to_submit(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(0.8, 0.9)
    scene.servers.answers = [0.8, PeerTimeoutError("no answer"), 0.9]
    assert (await scene.make()).score == 0.8


async def test_failed_generations_are_counted_apart_from_failed_scorings(open_scene: OpenScene) -> None:
    scene = open_scene(0.8)
    real, errors = scene.servers.generate, [StageError("no")]

    async def generate(*given: Any, **more: Any) -> Candidate:
        if errors:
            raise errors.pop()
        candidate: Candidate = await real(*given, **more)
        return candidate

    scene.servers.generate = generate
    await scene.make()
    figures = scene.metrics.as_json()
    assert (figures["scoring_errors"], figures["generation_success_rate"]) == (0, 0.5)


async def test_a_stop_leaves_a_task_worth_more_work_to_the_next_start(open_scene: OpenScene) -> None:
    scene = open_scene(0.69, 0.9)
    scene.servers.answers = [0.69]
    scene.workshop._stopping.set()
    assert await scene.workshop.work(await scene.assignment()) is None
    scene.workshop._stopping.clear()
    scene.servers.answers = [0.9]
    made = await scene.make_again()
    assert (made.score, made.index) == (0.9, 1)


async def test_a_stop_hands_in_what_is_good_enough_and_skips_what_no_time_would_save(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(0.8, 0.9)
    scene.workshop._stopping.set()
    assert (await scene.make()).score == 0.8
    scene.servers.answers = [0.5]
    task = dataclasses.replace(
        await scene.assignment(), task_id="late", assigned_s=scene.clock.now_s - 3600.0
    )
    await scene.journal.pulled(task)
    made = await scene.workshop.work(task)
    assert made is not None
    assert made.is_skip


async def test_a_task_of_a_validator_that_takes_nothing_is_skipped_before_anything_is_made(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(0.9)
    for other in range(4):
        for _ in range(20):
            scene.experience.acceptance.observe(f"other {other}", Outcome(0.8, 0.6, 0.8, "reference"))
    for _ in range(6):
        scene.experience.acceptance.observe(TASK.validator, Outcome(0.9, 0.6, 0.0, "reference"))
    made = await scene.make()
    assert made.is_skip
    assert scene.servers.seeds == []
