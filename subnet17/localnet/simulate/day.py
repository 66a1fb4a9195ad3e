"""Runs one policy through so many hours of virtual time and reads what the validators wrote down."""

from __future__ import annotations

import asyncio
import json
import random
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bittensor as bt
import httpx

from subnet17.localnet.ledger import Kind
from subnet17.localnet.pictures import draw_pictures
from subnet17.localnet.rules import Rules
from subnet17.localnet.simulate.policies import Policy
from subnet17.localnet.simulate.quality import Quality
from subnet17.localnet.simulate.servers import GenerationServer, ValidationServer
from subnet17.localnet.simulate.tempers import Habit, Temper, make_validator
from subnet17.localnet.simulate.validator import SimulatedValidator
from subnet17.localnet.simulate.wire import Host, Wire
from subnet17.localnet.virtual_time import START_S, VIRTUAL_CLOCK, run_virtually
from subnet17.mining.chain import StaticChain
from subnet17.mining.miner import Miner
from subnet17.mining.servers import Servers
from subnet17.mining.transport import Transport
from subnet17.settings import MinerTable, NetworkTable, OperationsTable, Settings

HOUR_S = 3600.0
WINDOW_S = 4 * HOUR_S
WARM_UP_S = 300.0
"""One cooldown: at first all validators are ready, and a few slots can't serve all of them at once."""
SAMPLE_S = 600.0
"""Between two looks at the reward."""
MINER_URI = "//Miner"
GENERATION, VALIDATION = "10.1.0.1:8093", "10.1.0.1:8094"


@dataclass(frozen=True)
class Plan:
    """What is simulated.

    Attributes:
        tempers: One for each validator.
        seed: The same seed gives the same day, figure by figure.
        generation_s: Mean time of one generation.
        slots: Generations at once.
    """

    tempers: Sequence[Temper]
    seed: int = 0
    hours: float = 24.0
    generation_s: float = 20.0
    slots: int = 2


@dataclass(frozen=True)
class Outcome:
    """What one validator saw.

    Attributes:
        windows: Accepted results in each whole window of 4 h after the warm-up.
        reward: Accepted results of the last 4 h times the duel rating, averaged after the warm-up.
        rating: The duel rating at the end.
    """

    temper: str
    healthy: bool
    stake: float
    counts: dict[Kind, int]
    bad_signatures: int
    bad_nonces: int
    windows: tuple[int, ...]
    reward: float
    rating: float

    def count(self, kind: Kind) -> int:
        """How often something happened."""
        return self.counts.get(kind, 0)


def simulate(policy: Policy, plan: Plan, folder: Path) -> list[Outcome]:
    """Runs a miner, from its start to its orderly end.

    Args:
        folder: For the miner's data.
    """
    quality = Quality(plan.seed)
    keypair = bt.Keypair.create_from_uri(MINER_URI)
    pictures = draw_pictures()
    validators = [
        make_validator(
            temper, uid, miner=keypair.ss58_address, quality=quality, pictures=pictures, seed=plan.seed
        )
        for uid, temper in enumerate(plan.tempers)
    ]
    random.seed(plan.seed)  # libraries' jitter
    run_virtually(_mine(policy, plan, validators, quality, keypair, folder))
    return [
        _outcome(validator, temper, plan) for validator, temper in zip(validators, plan.tempers, strict=True)
    ]


async def _mine(
    policy: Policy,
    plan: Plan,
    validators: list[SimulatedValidator],
    quality: Quality,
    keypair: bt.Keypair,
    folder: Path,
) -> None:
    settings = _settings(policy, plan, folder)
    client = httpx.AsyncClient(transport=Wire(_hosts(policy, plan, validators, quality)))
    transport = Transport(keypair, settings.network, clock=VIRTUAL_CLOCK, client=client)
    miner = Miner(
        settings,
        transport=transport,
        chain=_chain(validators, keypair.ss58_address, folder),
        servers=Servers(settings, clock=VIRTUAL_CLOCK, client=client),
        clock=VIRTUAL_CLOCK,
        chooser=policy.chooser,
        rng=random.Random(f"{plan.seed}/miner"),
    )
    habits = [
        asyncio.create_task(
            _live(habit, validator, random.Random(f"{plan.seed}/habit/{validator.neuron.uid}"))
        )
        for validator, temper in zip(validators, plan.tempers, strict=True)
        if (habit := temper.habit) is not None
    ]
    running = asyncio.create_task(miner.run())
    await asyncio.wait([running], timeout=WARM_UP_S + plan.hours * HOUR_S)
    miner.stopping.set()
    await running
    for task in habits:
        task.cancel()
    await client.aclose()


async def _live(habit: Habit, validator: SimulatedValidator, rng: random.Random) -> None:
    with suppress(asyncio.CancelledError):
        await habit(validator, rng)


def _settings(policy: Policy, plan: Plan, folder: Path) -> Settings:
    miner = MinerTable(
        generation_endpoints=[f"http://{GENERATION}"],
        validation_endpoint=f"http://{VALIDATION}",
        max_concurrent_generations=plan.slots,
        num_generation_workers=plan.slots,
        target_generation_time=plan.generation_s,
        **policy.miner,
    )
    return Settings(miner=miner, network=NetworkTable(), operations=OperationsTable(data_dir=str(folder)))


def _hosts(
    policy: Policy, plan: Plan, validators: list[SimulatedValidator], quality: Quality
) -> dict[str, Host]:
    return {
        GENERATION: GenerationServer(quality, generation_s=plan.generation_s, slots=plan.slots),
        VALIDATION: ValidationServer(quality, looks=policy.looks),
        **{validator.neuron.address: validator for validator in validators},
    }


def _chain(validators: list[SimulatedValidator], miner: str, folder: Path) -> StaticChain:
    path = folder / "neurons.json"
    neurons = [validator.neuron.model_dump() for validator in validators]
    own = {"uid": len(neurons), "hotkey": miner, "ip": "0.0.0.0", "port": 0}  # noqa: S104 - it serves nothing
    path.write_text(json.dumps([*neurons, own]))
    return StaticChain(path)


def _outcome(validator: SimulatedValidator, temper: Temper, plan: Plan) -> Outcome:
    page, refused = validator.page, validator.door.refused
    start_s = START_S + validator.skew_s + WARM_UP_S
    accepted = page.entries.get("accepted", [])
    times = [entry.at_s - start_s for entry in accepted]
    ratings = [entry.duel_rating or 0.0 for entry in accepted]
    return Outcome(
        temper=temper.name,
        healthy=temper.healthy,
        stake=validator.neuron.stake,
        counts=dict(page.counts),
        bad_signatures=page.counts.get("bad_signatures", 0) + refused["signature"] + refused["nonce order"],
        bad_nonces=refused["nonce age"],
        windows=_windows(times, plan.hours * HOUR_S),
        reward=_mean_reward(times, ratings, plan.hours * HOUR_S),
        rating=ratings[-1] if ratings else 0.0,
    )


def _windows(times: list[float], end_s: float) -> tuple[int, ...]:
    """Counts in each whole window. `times` rise."""
    starts = range(0, int(end_s - WINDOW_S) + 1, int(WINDOW_S))
    return tuple(bisect_right(times, start + WINDOW_S) - bisect_right(times, start) for start in starts)


def _mean_reward(times: list[float], ratings: list[float], end_s: float) -> float:
    """The reward rule, looked at in even steps."""
    window_s = Rules().reward_window_s
    looks = [SAMPLE_S * n for n in range(1, int(end_s / SAMPLE_S) + 1)]
    seen = [(bisect_right(times, at_s), bisect_right(times, at_s - window_s)) for at_s in looks]
    rewards = [(until - since) * ratings[until - 1] for until, since in seen if until]
    return sum(rewards) / len(looks) if looks else 0.0
