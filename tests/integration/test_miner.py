"""The whole miner against validators on real axons and real HTTP servers, all on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from fake_validator import FakeValidator
from peers import (
    MINER,
    SPZ,
    FakeGeneration,
    FakeValidation,
    app_peer,
    assignment,
    hang,
    key,
    pour,
    raw_peer,
    replying,
    reset,
)

from subnet17.mining.chain import StaticChain
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.mining.protocol import TextTask
from subnet17.mining.servers import Servers
from subnet17.mining.tasks import Candidate, Score
from subnet17.mining.transport import Transport
from subnet17.settings import MinerTable, NetworkTable, Settings

TIME_SCALE = 0.01
"""A cooldown of 300 s takes 3 s, the wait before a repeat 0.3 s."""


class Rig:
    """A miner with its fake servers; validators come as entries of a chain file."""

    def __init__(self, folder: Path, validators: list[dict[str, Any]], **miner: Any) -> None:
        self.generation, self.validation = FakeGeneration(), FakeValidation()
        self.folder = folder / "journal"
        self.chain_file = folder / "neurons.json"
        self.write_chain(validators)
        self.pull_timeout_s = 10.0
        self.ended = asyncio.Event()
        self._overrides = miner

    def write_chain(self, entries: list[dict[str, Any]]) -> None:
        self.chain_file.write_text(json.dumps(entries))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Miner]:
        """The miner at work; stops it in order at the end."""
        async with app_peer(self.generation.app()) as g, app_peer(self.validation.app()) as v:
            table = MinerTable(
                generation_endpoints=[f"http://127.0.0.1:{g}"],
                validation_endpoint=f"http://127.0.0.1:{v}",
                **{"drain_timeout_s": 3.0} | self._overrides,
            )
            network = NetworkTable(
                local_time_scale=TIME_SCALE,
                cooldown_margin_s=0.2,
                pull_interval_s=0.1,
                pull_timeout_s=self.pull_timeout_s,
                submit_timeout_s=20.0,
            )
            settings = Settings(miner=table, network=network)
            transport, servers = Transport(MINER, network), Servers(settings)
            chain = StaticChain(self.chain_file)
            journal = Journal.open(self.folder)
            miner = Miner(settings, transport=transport, chain=chain, servers=servers, journal=journal)
            running = asyncio.create_task(miner.run())
            running.add_done_callback(lambda _: self.ended.set())
            try:
                yield miner
            finally:
                miner.stopping.set()
                await running
                await transport.aclose()
                await servers.aclose()
                await journal.aclose()


async def until(condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
    """Waits for a condition; fails when it does not come true."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        await asyncio.sleep(0.02)


def bad_neuron(port: int, uid: int) -> dict[str, Any]:
    hotkey = key(f"Bad{uid}").ss58_address
    return {"uid": uid, "hotkey": hotkey, "ip": "127.0.0.1", "port": port, "stake": 1e5, "is_serving": True}


def state_of(miner: Miner, name: str) -> dict[str, Any]:
    hotkey = key(name).ss58_address
    return next(v for v in miner.as_json()["validators"] if v["hotkey"] == hotkey)


async def test_two_validators_accept_result_after_result_without_a_violation(tmp_path: Path) -> None:
    with FakeValidator("Validator0") as one, FakeValidator("Validator1") as two:
        rig = Rig(tmp_path, [one.as_neuron(0), two.as_neuron(1)])
        async with rig.running() as miner:
            await until(lambda: min(len(one.accepted), len(two.accepted)) >= 2)
            figures = miner.metrics.as_json()
    assert base64.b64decode(one.accepted[0][1]) == SPZ
    assert one.bad_signatures == two.bad_signatures == 0
    assert one.violations == two.violations == 0
    assert len({task for task, _ in one.accepted}) == len(one.accepted)
    assert figures["last_reward"] == 12.5
    assert figures["generation_success_rate"] == 1.0


@pytest.mark.parametrize("bad", [hang, reset, pour, replying(b"no"), replying(b"{}", status="500 Oops")])
async def test_a_misbehaving_validator_costs_the_others_nothing(tmp_path: Path, bad: Any) -> None:
    async with raw_peer(bad) as port:
        with FakeValidator() as good:
            rig = Rig(tmp_path, [bad_neuron(port, 7), good.as_neuron(0)])
            rig.pull_timeout_s = 1.0 if bad is hang else rig.pull_timeout_s
            async with rig.running() as miner:
                await until(lambda: len(good.accepted) >= 1)
                await until(lambda: state_of(miner, "Bad7")["failures"] >= 1)
                state = state_of(miner, "Bad7")
    assert state["last_error"]
    assert state["pulls"] < 20  # it rests between failures, though 100 times shorter than on a real network


async def test_free_time_gives_the_best_of_several_candidates(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        validator.throttle_s = 3
        rig = Rig(tmp_path, [validator.as_neuron()], max_candidates=3, target_generation_time=0.1)
        rig.validation.scores = [0.75, 0.93, 0.85]
        async with rig.running():
            await until(lambda: len(validator.accepted) >= 1)
    assert len({form["seed"] for form in rig.generation.forms[:3]}) == 3
    assert len(rig.generation.forms) >= 3


async def test_low_scores_are_skipped_and_never_submitted(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        rig = Rig(tmp_path, [validator.as_neuron()])
        rig.validation.scores = [0.3]
        async with rig.running() as miner:
            await until(lambda: validator.skipped >= 1)
            await until(lambda: miner.metrics.as_json()["skipped"] >= 1)
    assert validator.accepted == []


async def test_a_task_the_generator_refuses_is_skipped_and_the_worker_lives_on(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        rig = Rig(tmp_path, [validator.as_neuron()], num_generation_workers=1)
        rig.generation.fail = [(422, {"error": {"message": "no", "code": "x", "detail": {}}})]
        async with rig.running():
            await until(lambda: validator.skipped == 1 and len(validator.accepted) >= 1)


@pytest.mark.parametrize("answer", ["crash", "busy"])
async def test_a_submit_without_a_verdict_is_settled_without_a_second_result(
    tmp_path: Path, answer: str
) -> None:
    with FakeValidator() as validator:
        validator.answers = [answer]
        rig = Rig(tmp_path, [validator.as_neuron()])
        async with rig.running():
            await until(lambda: len(validator.accepted) >= 1 and len(rig.generation.forms) >= 1)
            await until(lambda: len(validator.submits) >= (1 if answer == "crash" else 2))
    first = [s for s in validator.submits if s.task_id == validator.submits[0].task_id]
    assert len({s.results for s in first}) == 1
    assert len({s.submit_time for s in first}) == len(first)
    assert len({task for task, _ in validator.accepted}) == len(validator.accepted)
    assert validator.violations == 0


async def test_a_restarted_validator_gets_the_kept_result_for_its_task(tmp_path: Path) -> None:
    with FakeValidator(cooldown_s=1) as validator:
        rig = Rig(tmp_path, [validator.as_neuron()])
        async with rig.running():
            await until(lambda: len(validator.accepted) == 1)
            made = len(rig.generation.forms)
            again = validator.submits[0].task_id
            validator.task = TextTask(id=again, prompt="a red chair")
            await until(lambda: len(validator.accepted) >= 2)
    assert [task for task, _ in validator.accepted[:2]] == [again, again]
    assert validator.accepted[0][1] == validator.accepted[1][1]
    assert made == 1


async def test_what_was_made_before_a_crash_is_scored_before_the_best_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Servers.check

    async def check_slowly(servers: Servers) -> None:
        await asyncio.sleep(0.5)
        await check(servers)

    monkeypatch.setattr(Servers, "check", check_slowly)
    with FakeValidator() as validator:
        validator.task = TextTask(id="task-1", prompt="a red chair")
        rig = Rig(tmp_path, [validator.as_neuron()], max_candidates=2)
        rig.validation.scores = [0.9]
        task, better = assignment(throttle_s=0.0), SPZ + b", a better one"
        journal = Journal.open(rig.folder)
        await journal.pulled(task)
        first = Candidate(0, 1, SPZ, "flux-hunyuan", 0.1)
        await journal.generated(task, first)
        await journal.scored(task, first, Score(0.8, "reference", (), 0.1))
        await journal.generated(task, Candidate(1, 2, better, "flux-hunyuan", 0.1))
        await journal.aclose()
        async with rig.running():
            await until(lambda: len(validator.accepted) >= 1)
    assert base64.b64decode(validator.accepted[0][1]) == better


async def test_nothing_is_pulled_while_the_generation_server_is_down(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        rig = Rig(tmp_path, [validator.as_neuron()])
        rig.generation.healthy = False
        async with rig.running() as miner:
            await until(lambda: "generation server" in miner.reason_not_pulling)
            await asyncio.sleep(0.3)
            assert validator.task is None
            rig.generation.healthy = True
            await until(lambda: len(validator.accepted) >= 1)


@pytest.mark.parametrize("stand_in", ["generation", "validation"])
async def test_nothing_embedded_is_even_pulled_for_on_a_public_network(tmp_path: Path, stand_in: str) -> None:
    with FakeValidator() as validator:
        elsewhere = bad_neuron(8091, 9) | {"ip": "192.0.2.1", "stake": 0}
        rig = Rig(tmp_path, [validator.as_neuron(), elsewhere])
        rig.generation.backend = "procedural" if stand_in == "generation" else "flux-hunyuan"
        rig.validation.scorer = "embedded" if stand_in == "validation" else "reference"
        async with rig.running() as miner:
            await until(lambda: "stand-in" in miner.reason_not_pulling)
            await asyncio.sleep(0.3)
        assert validator.task is None
        rig.write_chain([validator.as_neuron()])  # loopback only: the same work may go
        async with rig.running():
            await until(lambda: len(validator.accepted) >= 1)


async def test_an_unregistered_hotkey_stops_all_pulls(tmp_path: Path) -> None:
    with FakeValidator("Validator0") as one, FakeValidator("Validator1") as two:
        one.registered = two.registered = False
        one.unregistered_s = two.unregistered_s = 3600 * TIME_SCALE
        rig = Rig(tmp_path, [one.as_neuron(0), two.as_neuron(1)], num_generation_workers=1)
        async with rig.running() as miner:
            await until(lambda: "btcli subnet register" in miner.reason_not_pulling)
            pulls = [v["pulls"] for v in miner.as_json()["validators"]]
            await asyncio.sleep(0.3)
            assert [v["pulls"] for v in miner.as_json()["validators"]] == pulls
    assert sum(pulls) == 1


async def test_one_lying_validator_cannot_stop_a_registered_miner(tmp_path: Path) -> None:
    with FakeValidator("Validator0") as liar, FakeValidator("Validator1") as honest:
        liar.registered = False
        liar.unregistered_s = 3600 * TIME_SCALE
        own = {"uid": 5, "hotkey": MINER.ss58_address, "ip": "127.0.0.1", "port": 0}
        entries = [liar.as_neuron(0) | {"stake": 1e6}, honest.as_neuron(1), own]
        rig = Rig(tmp_path, entries, num_generation_workers=1)
        async with rig.running() as miner:
            await until(lambda: bool(miner.roster.listed))
            await until(lambda: state_of(miner, "Validator0")["ready_in_s"] > 4)
            assert miner.roster.stopped_s == 0
            await until(lambda: len(honest.accepted) >= 1)


async def test_a_stop_finishes_and_submits_what_is_running(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        rig = Rig(tmp_path, [validator.as_neuron()], drain_timeout_s=25.0)
        rig.generation.delay_s = 0.5
        async with rig.running() as miner:
            await until(lambda: rig.generation.running == 1)
            miner.stopping.set()
            await until(lambda: len(validator.accepted) == 1)
        assert validator.task is None


async def test_a_stop_still_hands_in_a_result_that_is_due_again_soon(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        validator.answers = ["busy"]
        rig = Rig(tmp_path, [validator.as_neuron()], drain_timeout_s=25.0)
        async with rig.running() as miner:
            await until(lambda: len(validator.submits) == 1)
            miner.stopping.set()
            await rig.ended.wait()
        assert len(validator.accepted) == 1


async def test_a_stop_does_not_wait_longer_than_it_may(tmp_path: Path) -> None:
    with FakeValidator() as validator:
        rig = Rig(tmp_path, [validator.as_neuron()], drain_timeout_s=0.3)
        rig.generation.delay_s = 300.0
        async with rig.running() as miner:
            await until(lambda: rig.generation.running == 1)
            began_s = time.monotonic()
            miner.stopping.set()
            await rig.ended.wait()
            took_s = time.monotonic() - began_s
        assert took_s < 60.0
        assert validator.accepted == []


async def test_a_line_of_figures_comes_each_interval(tmp_path: Path) -> None:
    rig = Rig(tmp_path, [], metrics_interval_s=0.1)
    with structlog.testing.capture_logs() as lines:
        async with rig.running():
            await until(lambda: sum(line["event"] == "metrics" for line in lines) >= 2)
    figures = next(line for line in lines if line["event"] == "metrics")
    for name in ("tasks_processed", "generation_success_rate", "average_generation_s", "last_reward"):
        assert figures[name] == 0
    assert figures["average_local_score"] == 0
    assert (figures["registered"], "validator" in figures["not_pulling"]) == (None, True)
