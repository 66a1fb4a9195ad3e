"""Validators of every kind that a miner meets."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import bittensor as bt

from subnet17.localnet.pictures import Picture
from subnet17.localnet.rules import Rules
from subnet17.localnet.simulate.faults import (
    Fault,
    Sometimes,
    behave,
    break_on_some_results,
    drip,
    fail,
    flood,
    hang,
    lose_reply,
    lose_verdict,
    name_other_task,
    refuse,
    refuse_some_results,
    reset,
    reset_after,
    talk_garbage,
)
from subnet17.localnet.simulate.quality import Quality
from subnet17.localnet.simulate.validator import PORT, Pace, SimulatedValidator
from subnet17.localnet.tasks import TaskDeck, load_prompts
from subnet17.mining.chain import Neuron
from subnet17.mining.protocol import OWNER_HOTKEY, Task

IMAGE_SHARE = 0.2
MOST_STAKE = 50_000.0

Habit = Callable[[SimulatedValidator, random.Random], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Temper:
    """What is special about a validator.

    Attributes:
        healthy: It gives every cycle to a miner that makes no mistake, so that all of them can be asked for.
        repeats: Share of its tasks that it gave out before.
        faults: Probability of each fault of a request.
        habit: What it does besides; runs as long as the simulation.
    """

    name: str
    healthy: bool = False
    pace: Pace = field(default_factory=Pace)
    skew_s: float = 0.0
    bias: float = 0.0
    lies: bool = False
    fails: bool = False
    rules: Rules = field(default_factory=Rules)
    repeats: float = 0.0
    faults: dict[Fault, float] = field(default_factory=dict)
    habit: Habit | None = None


async def restart_often(validator: SimulatedValidator, rng: random.Random) -> None:
    """Down for a minute or two every hour or so; every second time it forgets all tasks and cooldowns."""
    keeps_state = True
    while True:
        await asyncio.sleep(rng.uniform(2400.0, 4800.0))
        validator.fault = refuse
        validator.crash(keeps_state=keeps_state)
        await asyncio.sleep(rng.uniform(45.0, 120.0))
        validator.fault = behave
        keeps_state = not keeps_state


async def forget_us(validator: SimulatedValidator, rng: random.Random) -> None:
    """Does not know our hotkey for an hour or two, three times a day."""
    known = set(validator.registered)
    while True:
        await asyncio.sleep(rng.uniform(5.0, 7.0) * 3600.0)
        validator.registered.clear()
        await asyncio.sleep(rng.uniform(1.0, 2.0) * 3600.0)
        validator.registered |= known


async def change_ids(validator: SimulatedValidator, rng: random.Random) -> None:
    """Gives every task in somebody's hands another id, every few seconds."""
    while True:
        await asyncio.sleep(rng.uniform(2.0, 10.0))
        for standing in validator.page.miners.values():
            if standing.task is not None:
                other = str(uuid.UUID(int=rng.getrandbits(128), version=4))
                standing.task = standing.task.model_copy(update={"id": other})


MIXED = (
    Temper("fast", healthy=True, pace=Pace((0.02, 0.08), (0.2, 0.6)), bias=0.01),
    Temper("slow", healthy=True, pace=Pace((0.8, 1.6), (2.0, 4.0)), skew_s=0.4),
    Temper(
        "flaky",
        skew_s=-0.6,
        faults={refuse: 0.08, reset: 0.04, reset_after: 0.03, fail: 0.05, lose_reply: 0.02},
    ),
    Temper("lying scorer", lies=True),
    Temper("restarting", habit=restart_often),
    Temper("deregistering", habit=forget_us),
    Temper("duplicating", healthy=True, repeats=0.25, bias=-0.01),
    Temper("clock off", healthy=True, skew_s=-3600.0),
)
"""What a miner meets on an ordinary day."""

MISBEHAVING = (
    Temper("hang", faults={hang: 1.0}),
    Temper("reset", faults={reset: 1.0}),
    Temper("drip", faults={drip: 1.0}),
    Temper("500", faults={fail: 1.0}),
    Temper("garbage", faults={talk_garbage: 1.0}),
    Temper("flood", faults={flood: 1.0}),
    Temper("wrong task", faults={name_other_task: 1.0}),
    Temper("changed id", habit=change_ids),
    Temper("hour ahead", skew_s=3600.0),
    Temper("hour behind", skew_s=-3600.0),
)
"""Validators that nobody can work with, and clocks that one must follow."""

UNREWARDING = (
    Temper("slow judge", pace=Pace(judging_s=(60.0, 90.0)), faults={lose_verdict: 0.3}),
    Temper("refuses some", faults={refuse_some_results: 1.0}),
    Temper("breaks on some", faults={break_on_some_results: 1.0}),
    Temper("always faults", fails=True),
    Temper("never pays", lies=True, rules=Rules(cooldown_penalty_s=0.0)),
    Temper("one task", lies=True, rules=Rules(cooldown_penalty_s=0.0), repeats=1.0),
)
"""Validators that hand out tasks like any other and take what they get in an odd way, or not at all."""

GOOD = Temper("good", healthy=True)
CATALOGUE = {temper.name: temper for temper in (GOOD, *MIXED, *MISBEHAVING, *UNREWARDING)}


class RepeatingDeck(TaskDeck):
    """Deals some tasks a second time, id and all."""

    repeats = 0.0
    _last: tuple[Task, str] | None = None

    def deal(self) -> tuple[Task, str]:
        """A task and its title."""
        if self._last is None or self._rng.random() >= self.repeats:
            self._last = super().deal()
        return self._last


def make_validator(
    temper: Temper, uid: int, *, miner: str, quality: Quality, pictures: Sequence[Picture], seed: int
) -> SimulatedValidator:
    """A validator of a temper; the first one is the owner's.

    Args:
        miner: The hotkey it knows.
        seed: Of its tasks, times and faults.
    """
    hotkey = OWNER_HOTKEY if uid == 0 else bt.Keypair.create_from_uri(f"//Validator{uid}").ss58_address
    stake = MOST_STAKE / (1 + uid)
    neuron = Neuron(uid=uid, hotkey=hotkey, ip=f"10.0.0.{uid + 1}", port=PORT, stake=stake, is_serving=True)
    deck = RepeatingDeck(
        load_prompts(), pictures, image_share=IMAGE_SHARE, rng=random.Random(f"{seed}/tasks/{uid}")
    )
    deck.repeats = temper.repeats
    validator = SimulatedValidator(
        neuron,
        miner=miner,
        deck=deck,
        quality=quality,
        rng=random.Random(f"{seed}/pace/{uid}"),
        pace=temper.pace,
        skew_s=temper.skew_s,
        bias=temper.bias,
        rules=temper.rules,
    )
    validator.lies, validator.fails = temper.lies, temper.fails
    if temper.faults:
        validator.fault = Sometimes(temper.faults, random.Random(f"{seed}/faults/{uid}"))
    return validator
