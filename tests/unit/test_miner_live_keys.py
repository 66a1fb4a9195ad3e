"""Each key of the miner that is said to be followed live is: a changed file changes what it does."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from peers import MINER, SPZ, key

from subnet17 import settings_uses
from subnet17.deadline import TIMEOUT_HEADER
from subnet17.errors import PeerError, S17Error
from subnet17.mining import worker
from subnet17.mining.book import ValidatorState
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.mining.records import TaskState
from subnet17.mining.servers import Servers
from subnet17.mining.status import create_app
from subnet17.mining.strategy import Action, Decision
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission
from subnet17.mining.transport import Transport
from subnet17.reload import SettingsFollower
from subnet17.settings import LIVE
from tests.config_files import write_config
from tests.simulated import simulated_chain

RICH, POOR = (key(name).ss58_address for name in ("Rich", "Poor"))
STAKES = {RICH: 5000.0, POOR: 2000.0}
TASK = Assignment("task", "text", "a red ball", RICH, threshold=0.6, throttle_s=30.0, assigned_s=0.0)
CANDIDATE = Candidate(0, 1, SPZ, "flux-hunyuan", 5.0)


@dataclass
class Bench:
    """A miner that has looked at its chain, and what its servers were asked for."""

    miner: Miner
    follower: SettingsFollower
    requests: list[httpx.Request]

    @property
    def servers(self) -> Servers:
        return self.miner._servers


class StopHereError(Exception):
    """Ends a loop of the miner."""


@asynccontextmanager
async def bench_of(path: Path) -> AsyncIterator[Bench]:
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"ready": True, "backend": "flux-hunyuan", "scorer": "reference"})

    follower = SettingsFollower(settings_uses.MINER, path, environ={})
    settings = follower.current
    client = httpx.AsyncClient(transport=httpx.MockTransport(reply))
    servers = Servers(settings, client=client)
    chain = simulated_chain(
        tuple(
            Neuron(uid=uid, hotkey=hotkey, ip="127.0.0.1", port=8000 + uid, stake=stake, is_serving=True)
            for uid, (hotkey, stake) in enumerate(STAKES.items())
        )
    )
    transport = Transport(MINER, settings.network)
    journal = Journal.open(path.parent / "journal")
    miner = Miner(settings, transport=transport, chain=chain, servers=servers, journal=journal)
    miner.chain.neurons = await chain.read()
    await miner.chain._take()
    follower.add(miner.follow)
    yield Bench(miner, follower, requests)
    await transport.aclose()
    await servers.aclose()
    await journal.aclose()


async def listed(bench: Bench) -> set[str]:
    return {state.neuron.hotkey for state in bench.miner.roster.listed}


async def failures_until_ejected(bench: Bench) -> int:
    state = bench.miner.roster.get(RICH)
    while not state.ejected:
        bench.miner.roster.note_reply(bench.miner.roster.get(POOR), skew_s=None, elapsed_s=0.1)
        bench.miner.roster.fail(state, PeerError("no", status=500))
    return state.failures


def limit(name: str) -> Callable[[Bench], Awaitable[float]]:
    """What the strategy is told when it decides."""

    async def told(bench: Bench) -> float:
        limits: list[Any] = []

        def decide(*_: Any, **facts: Any) -> Decision:
            limits.append(facts["limits"])
            return Decision(Action.SKIP, "seen")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "decide", decide)
            workshop = bench.miner._workshop
            work = worker._Work(TASK, lambda _: None, made=1)
            work.add(CANDIDATE, Score(0.8, "reference", (), 1.0))
            workshop._decide(work)
        return float(getattr(limits[0], name))

    return told


async def least_room(bench: Bench) -> float:
    """The free bytes that the miner says it needs to go on."""
    housekeeping = bench.miner._housekeeping
    housekeeping._free_bytes = 0
    return float(housekeeping.reason_not_to_pull.split("GB are free")[1].split(",")[1].split()[0])


async def quality_factor(bench: Bench) -> bool:
    bench.miner._market = SimpleNamespace(quality_factor=2.0)  # type: ignore[assignment]
    return bench.miner._quality_factor() == 2.0


async def generation_time(bench: Bench) -> float:
    return bench.servers.candidate_s


async def sent_limit(bench: Bench, ask: Callable[[], Awaitable[Any]]) -> float:
    await bench.servers.check()
    with suppress(S17Error):
        await ask()
    return float(bench.requests[-1].headers[TIMEOUT_HEADER])


async def generation_limit(bench: Bench) -> float:
    return await sent_limit(bench, lambda: bench.servers.generate(TASK, index=0, seed=1))


async def validation_limit(bench: Bench) -> float:
    return await sent_limit(bench, lambda: bench.servers.score(TASK, CANDIDATE))


class FakeClock:
    """Ends a loop where it waits, and tells for how long it would have."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        raise StopHereError


async def report_interval(bench: Bench) -> float:
    clock: Any = FakeClock()
    bench.miner._clock = clock
    with pytest.raises(StopHereError):
        await bench.miner._report()
    return float(clock.slept_s[0])


async def drain_time(bench: Bench) -> float:
    """Until when work that is left is waited for."""
    bench.miner._clock = clock = FakeClock()  # type: ignore[assignment]
    until_s: list[float] = []

    def is_busy_until(at_s: float) -> bool:
        until_s.append(at_s - clock.now_s)
        return False

    bench.miner.courier.is_busy_until = is_busy_until  # type: ignore[method-assign]
    pulling = asyncio.create_task(asyncio.sleep(0))
    await bench.miner._drain(pulling)
    return until_s[0]


def pruned(name: str) -> Callable[[Bench], Awaitable[float]]:
    """What the journal is told to keep."""

    async def told(bench: Bench) -> float:
        asked: dict[str, float] = {}

        async def prune(**limits: float) -> int:
            asked.update(limits)
            return 0

        housekeeping: Any = bench.miner._housekeeping
        housekeeping._journal = SimpleNamespace(prune=prune)
        await housekeeping._prune()
        return asked[name]

    return told


PROBES: dict[str, tuple[Any, Any, Callable[[Bench], Awaitable[Any]]]] = {
    "miner.self_validation_min_score": (0.81, 0.81, limit("min_score")),
    "miner.max_candidates": (7, 7, limit("max_candidates")),
    "miner.early_stop_score": (0.99, 0.99, limit("enough_score")),
    "miner.retry_time_s": (11.0, 11.0, limit("retry_s")),
    "miner.quality_worth": (1.5, 1.5, limit("quality_worth")),
    "miner.market_aware": (True, True, quality_factor),
    "miner.target_generation_time": (3.0, 3.0, generation_time),
    "miner.generation_timeout_s": (44.0, 44.0, generation_limit),
    "miner.validation_timeout_s": (33.0, 33.0, validation_limit),
    "miner.metrics_interval_s": (7.0, 7.0, report_interval),
    "miner.drain_timeout_s": (9.0, 9.0, drain_time),
    "miner.journal_days": (3.0, 3.0, pruned("days")),
    "miner.journal_max_bytes": (10**9, 10**9, pruned("max_bytes")),
    "miner.min_validator_stake": (3000.0, {RICH}, listed),
    "miner.blocked_validators": ([RICH], {POOR}, listed),
    "miner.allowed_validators": ([RICH], {RICH}, listed),
    "miner.eject_after_failures": (2, 2, failures_until_ejected),
    "operations.min_free_disk_bytes": (5 * 10**9, 5.0, least_room),
}
"""Live key -> another value than its default, what is then seen, and how to see it."""


def test_each_live_key_of_the_miner_is_probed() -> None:
    live = {f"{table}.{key}" for table, key in settings_uses.list_keys(settings_uses.MINER, LIVE)}
    assert set(PROBES) == live - {"operations.log_level"}  # the follower's own


@pytest.mark.parametrize("name", PROBES)
async def test_a_live_key_changes_what_is_done(name: str, tmp_path: Path) -> None:
    value, seen, observe = PROBES[name]
    path = tmp_path / "mining.toml"
    (tmp_path / "before").mkdir()
    untouched = tmp_path / "before" / "mining.toml"
    untouched.write_text("")
    async with bench_of(untouched) as bench:
        assert await observe(bench) != seen
    path.write_text("")
    async with bench_of(path) as bench:
        table, _, key = name.partition(".")
        write_config(path, **{table: {key: value}})
        bench.follower.look()
        assert await observe(bench) == seen


async def test_a_validator_listed_by_a_reload_is_not_pulled_beside_its_task_from_an_earlier_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mining.toml"
    write_config(path, miner={"min_validator_stake": 3000.0})
    async with bench_of(path) as bench:
        miner = bench.miner
        poor = next(n for n in miner.chain.neurons if n.hotkey == POOR)
        row = ValidatorState(poor).as_row(SYSTEM_CLOCK)
        await miner._journal.pulled(dataclasses.replace(TASK, validator=POOR), validator=row)
        miner.roster.restore(await miner._journal.validators())
        await miner._puller.recall()
        write_config(path, miner={"min_validator_stake": 1000.0})
        bench.follower.look()
        assert await listed(bench) == {RICH, POOR}
        asked = miner.roster.next_ready()
        assert asked is not None
        assert asked.neuron.hotkey == RICH
        asked.busy = True
        assert miner.roster.next_ready() is None


@pytest.mark.parametrize(
    ("come_to", "blocked", "goes_to"),
    [
        (TaskState.SENDING, [], "courier"),
        (TaskState.SCORED, [], "backlog"),
        (TaskState.PULLED, [], "left"),
        (TaskState.SENDING, [POOR], "left"),
    ],
)
async def test_a_result_left_over_goes_to_its_validator_although_it_lost_its_stake(
    tmp_path: Path, come_to: TaskState, blocked: list[str], goes_to: str
) -> None:
    path = tmp_path / "mining.toml"
    write_config(path, miner={"min_validator_stake": 3000.0, "blocked_validators": blocked})
    async with bench_of(path) as bench:
        miner, task = bench.miner, dataclasses.replace(TASK, validator=POOR)
        poor = next(n for n in miner.chain.neurons if n.hotkey == POOR)
        moved = poor.model_copy(update={"port": poor.port + 1})
        await miner._journal.pulled(task, validator=ValidatorState(moved).as_row(SYSTEM_CLOCK))
        if come_to is not TaskState.PULLED:
            await miner._journal.generated(task, CANDIDATE)
            await miner._journal.scored(task, CANDIDATE, Score(0.8, "reference", (), 0.1))
        if come_to is TaskState.SENDING:
            await miner._journal.sending(Submission(task, results="U1BaAA==", reason="", index=0))
        miner.roster.restore(await miner._journal.validators())
        await miner._puller.recall()
        await miner.chain._take()
        puller = miner._puller
        found = {"courier": miner.courier.waiting, "backlog": len(puller._backlog), "left": len(puller._left)}
        await miner.courier.aclose()
        assert found == {"courier": 0, "backlog": 0, "left": 0} | {goes_to: 1}
        assert goes_to == "left" or miner.roster.get(POOR).neuron == poor
        assert await listed(bench) == {RICH}


async def test_validators_that_left_say_nothing_of_how_we_stand_now(tmp_path: Path) -> None:
    path = tmp_path / "mining.toml"
    path.write_text("")
    async with bench_of(path) as bench:
        roster = bench.miner.roster
        roster.get(RICH).duel_rating, roster.get(POOR).duel_rating = 1600.0, 900.0
        roster.update(tuple(n for n in bench.miner.chain.neurons if n.hotkey == RICH))
        assert bench.miner._look_at_market().duel_rating == 1600.0


async def test_the_status_page_tells_how_the_settings_stand(tmp_path: Path) -> None:
    path = tmp_path / "mining.toml"
    path.write_text("[miner]\nmax_candidates = 3\n")
    async with bench_of(path) as bench:
        app = create_app(bench.miner, api_key="", follower=bench.follower)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            path.write_text("[miner]\nmax_candidates = 5\nport = 1\nnum_generation_workers = 0\n")
            bench.follower.look()
            broken = (await client.get("/status/")).json()["settings"]
            write_config(path, miner={"max_candidates": 5, "port": 1})
            bench.follower.look()
            good = (await client.get("/status/")).json()["settings"]
    assert broken["live"]["miner.max_candidates"] == 3
    assert "num_generation_workers = 0" in broken["error"]
    assert (good["live"]["miner.max_candidates"], good["error"]) == (5, "")
    assert good["needs_restart"] == {"miner.port": {"running": 8095, "file": 1}}


async def test_a_drain_longer_than_the_grace_of_the_running_supervisor_is_refused_until_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mining.toml"
    path.write_text("")
    async with bench_of(path) as bench:
        write_config(path, miner={"drain_timeout_s": 50.0}, operations={"kill_timeout_s": 60.0})
        bench.follower.look()
        assert bench.follower.current.miner.drain_timeout_s == 25.0
        assert "needs a restart as a whole" in str(bench.follower.as_json()["error"])
