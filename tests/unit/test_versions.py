"""Asking for versions stays out of the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from peers import HeldClock, neuron

from subnet17.errors import PeerError
from subnet17.mining.chain import Neuron
from subnet17.mining.feedback import Prices
from subnet17.mining.protocol import GetVersion
from subnet17.mining.transport import Reply
from subnet17.mining.validators import Roster
from subnet17.mining.versions import INTERVAL_S, QUIET_S, ask_versions

HOUR_S = 3600.0


class Scene:
    """Validators that always cool down, and who was asked when."""

    def __init__(self, count: int = 2) -> None:
        self.clock = HeldClock()
        self.start_s = self.clock.now_s
        self.asked: list[tuple[int, float]] = []
        self.fails = False
        self.roster = Roster(margin_s=2.0, prices=Prices(), clock=self.clock)
        self.roster.update(tuple(neuron(name=f"Validator{i}", uid=i) for i in range(count)))
        for state in self.roster:
            state.ready_s += 1e9

    async def get_version(self, validator: Neuron) -> Reply[GetVersion]:
        self.asked.append((validator.uid, self.clock.now_s - self.start_s))
        if self.fails:
            raise PeerError("no such synapse", status=404)
        return Reply(GetVersion(version=7, validation_version="2.0.1"), None, 0.1)

    async def run(self, hours: float) -> list[tuple[int, float]]:
        sleep, ends_s = self.clock.sleep, self.clock.now_s + hours * HOUR_S

        async def sleep_until_the_end(wait_s: float) -> None:
            await sleep(wait_s)
            if self.clock.now_s > ends_s:
                raise asyncio.CancelledError

        self.clock.sleep = sleep_until_the_end
        with pytest.raises(asyncio.CancelledError):
            await ask_versions(self, self.roster, clock=self.clock)
        return self.asked


async def test_each_validator_is_asked_every_six_hours_and_its_versions_are_kept() -> None:
    scene = Scene()
    asked = await scene.run(13)
    assert [uid for uid, _ in asked] == [0, 1] * 3
    assert asked[2][1] - asked[0][1] == pytest.approx(INTERVAL_S, abs=60)
    state = next(iter(scene.roster))
    assert (state.version, state.validation_version) == (7, "2.0.1")
    assert state.neuron.hotkey in scene.roster.take_changed()


@pytest.mark.parametrize(
    "change", [{"busy": True}, {"ready_s": 0.0}, {"failures": 1}, {"blocked": True}], ids=str
)
async def test_one_that_is_busy_or_ready_or_failing_or_blocked_is_not_asked(change: dict[str, Any]) -> None:
    scene = Scene(1)
    (state,) = scene.roster
    for name, value in change.items():
        setattr(state, name, value)
    assert await scene.run(1) == []


async def test_a_cooldown_that_is_about_to_end_is_left_alone() -> None:
    scene = Scene(1)
    (state,) = scene.roster
    state.ready_s = scene.clock.now_s + QUIET_S
    assert await scene.run(1) == []


async def test_one_that_does_not_answer_is_no_worse_for_it_and_asked_again_only_after_six_hours() -> None:
    scene = Scene(1)
    scene.fails = True
    assert len(await scene.run(7)) == 2
    (state,) = scene.roster
    assert (state.failures, state.success_rate) == (0, 1.0)
