"""Validators on real axons whose clock is wrong: what their own verification takes and refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import bittensor.core.axon
import fake_validator
import pytest
import uvicorn.server
from fake_validator import FakeValidator
from peers import MINER, assignment, submission

from subnet17.errors import PeerError
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK
from subnet17.mining.feedback import Prices
from subnet17.mining.nonces import Nonces
from subnet17.mining.transport import Transport
from subnet17.mining.validators import Roster, ValidatorState
from subnet17.settings import NetworkTable

HOUR_S = 3600.0


class ShiftedTime:
    """The time module of a machine whose clock is off."""

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return time.time() + self._offset_s

    def time_ns(self) -> int:
        return time.time_ns() + int(self._offset_s * 1e9)


@pytest.fixture
def offset_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Shifts the clock of all axons, of their Date headers and of the validator's own rules."""
    for module in (bittensor.core.axon, uvicorn.server, fake_validator):
        monkeypatch.setattr(module, "time", ShiftedTime(request.param))
    return float(request.param)


@pytest.fixture
def validator(offset_s: float) -> Iterator[FakeValidator]:
    with FakeValidator(cooldown_s=300) as running:
        yield running


class Miner:
    """The part of a miner that talks to one validator."""

    def __init__(self, validator: FakeValidator, nonces: Nonces | None = None) -> None:
        self.neuron = Neuron.model_validate(validator.as_neuron())
        self.transport = Transport(MINER, NetworkTable(), nonces=nonces)
        self.roster = Roster(margin_s=2.0, prices=Prices())
        self.roster.update((self.neuron,))
        self.state: ValidatorState = self.roster.get(self.neuron.hotkey)

    async def work(self) -> None:
        """One task from pull to cooldown."""
        pulled = await self.transport.pull(self.neuron)
        self.roster.note_reply(self.state, skew_s=pulled.skew_s, elapsed_s=pulled.elapsed_s)
        assert pulled.synapse.task is not None
        task = assignment(task_id=pulled.synapse.task.id, prompt=pulled.synapse.task.prompt)
        answer = await self.transport.submit(self.neuron, submission(assignment=task))
        self.roster.note_reply(self.state, skew_s=answer.skew_s, elapsed_s=answer.elapsed_s)
        assert answer.synapse.feedback is not None
        assert answer.synapse.feedback.task_fidelity_score == 0.9
        self.roster.cool_down(self.state, answer.synapse.cooldown_until)


async def assert_cooldown(miner: Miner) -> None:
    """Work brings the validator's 300 s and the margin, give or take what clocks and headers round off."""
    began_s = SYSTEM_CLOCK.monotonic_s()
    await miner.work()
    ended_s = SYSTEM_CLOCK.monotonic_s()
    assert began_s + 298 <= miner.state.ready_s <= ended_s + 306


@pytest.mark.parametrize("offset_s", [HOUR_S], indirect=True)
async def test_a_clock_an_hour_ahead_refuses_one_call_and_is_followed_from_then_on(
    offset_s: float, validator: FakeValidator
) -> None:
    miner = Miner(validator)
    with pytest.raises(PeerError, match="too old") as caught:
        await miner.transport.pull(miner.neuron)
    assert caught.value.detail["status"] == 401
    assert miner.roster.fail(miner.state, caught.value) < 20.0
    await assert_cooldown(miner)
    assert (validator.bad_signatures, validator.violations) == (0, 0)
    await miner.transport.aclose()


@pytest.mark.parametrize("offset_s", [HOUR_S], indirect=True)
async def test_after_a_restart_the_book_tells_the_clock_and_no_call_is_refused(
    offset_s: float, validator: FakeValidator
) -> None:
    nonces = Nonces()
    nonces.note_skew(validator.keypair.ss58_address, offset_s)
    miner = Miner(validator, nonces)
    await miner.work()
    await miner.transport.aclose()


@pytest.mark.parametrize("offset_s", [-HOUR_S, 0.0], indirect=True)
async def test_a_clock_behind_or_right_takes_every_call_and_its_cooldown_is_right(
    offset_s: float, validator: FakeValidator
) -> None:
    miner = Miner(validator)
    await assert_cooldown(miner)
    await miner.transport.aclose()


@pytest.mark.parametrize("offset_s", [0.0], indirect=True)
async def test_a_run_with_a_slower_clock_than_the_last_is_taken(
    offset_s: float, validator: FakeValidator
) -> None:
    ahead = int((time.time() + 2 * HOUR_S) * 1e9)
    for floor in (ahead, 0):  # the second has lost its disk as well: a new uuid begins anew
        miner = Miner(validator, Nonces(floor=floor))
        await miner.transport.pull(miner.neuron)
        await miner.transport.aclose()
