"""Runs one policy through so many hours of virtual time."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bittensor as bt
import httpx

from subnet17.localnet.pictures import draw_pictures
from subnet17.localnet.simulate.outcome import HOUR_S, WARM_UP_S, Outcome, outcome_of
from subnet17.localnet.simulate.policies import Policy
from subnet17.localnet.simulate.quality import Quality
from subnet17.localnet.simulate.servers import GenerationServer, ValidationServer
from subnet17.localnet.simulate.tempers import Temper, make_validator
from subnet17.localnet.simulate.validator import SimulatedValidator
from subnet17.localnet.simulate.wire import Host, Wire
from subnet17.localnet.virtual_time import VIRTUAL_CLOCK, run_virtually
from subnet17.mining.chain import StaticChain
from subnet17.mining.journal import Journal, journal_folder
from subnet17.mining.miner import Miner
from subnet17.mining.nonces import Nonces
from subnet17.mining.servers import Servers
from subnet17.mining.transport import Transport
from subnet17.settings import MinerTable, NetworkTable, OperationsTable, Settings

MINER_URI = "//Miner"
CHECK_S = 60.0
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
        outcome_of(validator, temper, hours=plan.hours)
        for validator, temper in zip(validators, plan.tempers, strict=True)
    ]


async def _mine(
    policy: Policy,
    plan: Plan,
    validators: list[SimulatedValidator],
    quality: Quality,
    keypair: bt.Keypair,
    folder: Path,
) -> None:
    hosts = _hosts(policy, plan, validators, quality)
    async with (
        httpx.AsyncClient(transport=Wire(hosts)) as client,
        _miner(policy, plan, validators, keypair, client, folder) as miner,
        asyncio.TaskGroup() as group,
    ):
        habits = [group.create_task(habit) for habit in _habits(plan, validators)]
        running = group.create_task(miner.run())
        await asyncio.wait([running], timeout=WARM_UP_S + plan.hours * HOUR_S)
        miner.stopping.set()
        await running
        for habit in habits:
            habit.cancel()


@asynccontextmanager
async def _miner(
    policy: Policy,
    plan: Plan,
    validators: list[SimulatedValidator],
    keypair: bt.Keypair,
    client: httpx.AsyncClient,
    folder: Path,
) -> AsyncIterator[Miner]:
    """The miner as its command line puts it together, on the simulation's wire and clock."""
    settings, clock, hotkey = _settings(policy, plan, folder), VIRTUAL_CLOCK, keypair.ss58_address
    journal = Journal.open(journal_folder(settings.data_dir, hotkey), clock=clock)
    try:
        nonces = Nonces(clock, floor=await journal.nonce_floor(), reserve=journal.reserve_nonces)
        yield Miner(
            settings,
            transport=Transport(keypair, settings.network, clock=clock, client=client, nonces=nonces),
            chain=_chain(validators, hotkey, folder),
            servers=_SteadyServers(settings, clock=clock, client=client),
            journal=journal,
            clock=clock,
            chooser=policy.chooser,
            rng=random.Random(f"{plan.seed}/miner"),
        )
    finally:
        await journal.aclose()


class _SteadyServers(Servers):
    """Asked for their health once a minute: here they are always well, and asking is half of a day's work."""

    _checked_s = -math.inf

    async def check(self) -> None:
        if VIRTUAL_CLOCK.monotonic_s() >= self._checked_s + CHECK_S:
            self._checked_s = VIRTUAL_CLOCK.monotonic_s()
            await super().check()


def _habits(plan: Plan, validators: list[SimulatedValidator]) -> Iterator[Coroutine[Any, Any, None]]:
    for validator, temper in zip(validators, plan.tempers, strict=True):
        if temper.habit is not None:
            yield temper.habit(validator, random.Random(f"{plan.seed}/habit/{validator.neuron.uid}"))


def _settings(policy: Policy, plan: Plan, folder: Path) -> Settings:
    miner = MinerTable(
        generation_endpoints=[f"http://{GENERATION}"],
        validation_endpoint=f"http://{VALIDATION}",
        max_concurrent_generations=plan.slots,
        num_generation_workers=plan.slots,
        target_generation_time=plan.generation_s,
        **policy.miner,
    )
    operations = OperationsTable(data_dir=str(folder), min_free_disk_bytes=0)
    return Settings(miner=miner, network=NetworkTable(), operations=operations)


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
    chain = StaticChain(path)
    chain.refresh_s = NetworkTable().metagraph_refresh_s  # a file is looked at more often than a chain
    return chain
