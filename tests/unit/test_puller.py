"""Tasks that a validator hands out once more: what becomes of them, and from when on they are paid for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peers import HeldClock, assignment, neuron, submission

from subnet17.mining.bench import Bench
from subnet17.mining.book import ValidatorState
from subnet17.mining.budget import RetryBudget
from subnet17.mining.feedback import Prices
from subnet17.mining.hold import Hold
from subnet17.mining.journal import DAY_S, Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.puller import Puller
from subnet17.mining.records import Answer, TaskState
from subnet17.mining.tasks import Candidate, Submission
from subnet17.mining.validators import Roster
from subnet17.settings import NetworkTable


class Scene:
    """A puller whose courier keeps what it is given."""

    def __init__(self, folder: Path) -> None:
        self.clock = clock = HeldClock()
        self.journal = Journal.open(folder, clock=clock)
        self.posted: list[Submission] = []
        roster = Roster(margin_s=2.0, prices=Prices(), clock=clock)
        roster.update((neuron(),))
        self.state: ValidatorState = roster.get(neuron().hotkey)
        unused: Any = None
        courier: Any = SimpleNamespace(post=lambda parcel, **_: self.posted.append(parcel))
        self.puller = Puller(
            unused,
            roster,
            Bench(1, clock=clock),
            courier,
            self.journal,
            Metrics(),
            network=NetworkTable(),
            budget=RetryBudget(0.2, clock=clock),
            prices=Prices(),
            clock=clock,
            hold=Hold(clock),
            reason_not_pulling=str,
            on_unregistered=lambda _, __: None,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_the_free_time_of_a_task_that_is_pulled_again_runs_on_from_its_first_pull(scene: Scene) -> None:
    first = assignment(assigned_s=scene.clock.now_s, assigned_at_s=scene.clock.now_s)
    assert await scene.puller._enter(first, scene.state) is not None
    scene.clock.now_s += 300.0
    again = assignment(assigned_s=scene.clock.now_s, assigned_at_s=scene.clock.now_s, threshold=0.7)
    job = await scene.puller._enter(again, scene.state)
    assert job is not None
    known = job.assignment
    assert (known.assigned_s, known.assigned_at_s, known.threshold) == (first.assigned_s,) * 2 + (0.7,)


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
async def test_a_settled_task_that_is_handed_out_again_begins_anew(scene: Scene, verdict: str) -> None:
    parcel = submission(index=0)
    await scene.journal.pulled(parcel.assignment)
    await scene.journal.generated(parcel.assignment, Candidate(0, 7, b"spz", "flux-hunyuan", 1.0))
    await scene.journal.sending(parcel)
    await scene.journal.answered(parcel, Answer(verdict))
    scene.clock.now_s += 20 * DAY_S
    again = assignment(assigned_s=scene.clock.now_s, assigned_at_s=scene.clock.now_s)
    job = await scene.puller._enter(again, scene.state)
    taken_up = job.assignment if job else scene.posted[0].assignment
    assert taken_up == again
    # it may wait for long: the room that is made meanwhile must not take it out of the journal
    await scene.journal.prune(days=14.0, max_bytes=0)
    (record,) = await scene.journal.unfinished()
    assert record.state is (TaskState.PULLED if job else TaskState.SENDING)
