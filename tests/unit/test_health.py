"""What tells a process that works from one that only answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from subnet17.ops.health import JOB_SLACK_S, Caller, MinerProbe, Probe, ServerProbe, make_probe
from subnet17.ops.processes import GENERATION, LOCAL_SUBNET, MINER, VALIDATION, list_processes
from subnet17.ops.sample_work import ask_for_asset, ask_for_score, make_ball
from subnet17.settings import GenerationTable, MinerTable, OperationsTable, Settings
from subnet17.splat.spz import decode_spz

SETTINGS = Settings(
    operations=OperationsTable(work_check_interval_s=600.0, stall_timeout_s=900.0),
    generation=GenerationTable(request_timeout_s=120.0, api_key="k" * 32),
    miner=MinerTable(api_key="m" * 32),
)
PROCESSES = {p.name: p for p in list_processes(SETTINGS, local=True)}


class Service:
    """Answers as told, and counts what it is asked."""

    def __init__(self) -> None:
        self.health: tuple[int, dict[str, Any]] = (200, {})
        self.status: dict[str, Any] = {"queue": {"running": 0, "waiting": 0}, "jobs": {"succeeded": 0}}
        self.work = httpx.Response(200, content=b"spz", headers={"X-Splats": "7000"})
        self.asked: list[str] = []
        self.key = ""
        self.now_s = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/health/":
            return httpx.Response(self.health[0], json=self.health[1])
        if request.headers.get("X-API-Key", "") != self.key:
            return httpx.Response(401)
        return httpx.Response(200, json=self.status) if request.method == "GET" else self.work

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def generation(self) -> ServerProbe:
        self.key = SETTINGS.generation.api_key
        caller = Caller(PROCESSES[GENERATION], self.client(), 5.0)
        return ServerProbe(caller, SETTINGS.generation, SETTINGS, ask_for_asset, clock=lambda: self.now_s)

    def miner(self) -> MinerProbe:
        self.key = SETTINGS.miner.api_key
        return MinerProbe(Caller(PROCESSES[MINER], self.client(), 5.0), SETTINGS, clock=lambda: self.now_s)


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_server_that_says_why_it_is_not_ready_is_not_called_stuck(service: Service) -> None:
    service.health = (503, {"reason": "weights are missing"})
    health = await service.generation().check()
    assert (health.outcome, health.why, health.calls_for_restart) == (
        "not_ready",
        "weights are missing",
        False,
    )


async def test_no_answer_in_time_is_silence() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    client = httpx.AsyncClient(transport=httpx.MockTransport(never))
    for name in (LOCAL_SUBNET, MINER, GENERATION, VALIDATION):
        settings = Settings(operations=OperationsTable(health_timeout_s=0.01))
        health = await make_probe(PROCESSES[name], settings, client).check()
        assert (health.outcome, health.calls_for_restart) == ("silent", True)


async def test_a_job_that_outlives_its_servers_own_limit_is_stuck(service: Service) -> None:
    probe = service.generation()
    service.status["queue"]["running"] = 1
    assert (await probe.check()).outcome == "healthy"
    service.now_s = 120.0 + JOB_SLACK_S
    assert (await probe.check()).outcome == "healthy"
    service.now_s += 0.1
    assert (await probe.check()).outcome == "stuck"
    service.status["settings"] = {"live": {"generation.request_timeout_s": 300.0}}  # it was raised meanwhile
    assert (await probe.check()).outcome == "healthy"
    del service.status["settings"]
    service.status["jobs"] |= {"shed": 3, "abandoned": 1}  # who is sent away meanwhile proves nothing
    assert (await probe.check()).outcome == "stuck"
    service.status["jobs"]["failed"] = 1  # any end of a job is progress
    assert (await probe.check()).outcome == "healthy"


@pytest.mark.parametrize(("running", "waiting"), [(1, 0), (0, 1)])
async def test_a_busy_server_gets_no_request_of_ours(service: Service, running: int, waiting: int) -> None:
    probe = service.generation()
    service.status["queue"] = {"running": running, "waiting": waiting}
    service.now_s = 700.0
    service.status["jobs"] = {"succeeded": 0, "failed": 3}
    await probe.check()
    assert "/generate/" not in service.asked


async def test_an_idle_server_is_asked_to_work_when_nothing_else_has_proved_it(service: Service) -> None:
    probe = service.generation()
    for service.now_s in (0.0, 599.0):
        await probe.check()
    service.status["jobs"] = {"succeeded": 7}
    await probe.check()  # proved at 599
    service.now_s = 1198.0
    await probe.check()
    assert "/generate/" not in service.asked
    service.now_s = 1199.0
    assert (await probe.check()).outcome == "healthy"
    assert service.asked.count("/generate/") == 1
    assert (await probe.check()).outcome == "healthy"
    assert service.asked.count("/generate/") == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (httpx.Response(500, json={"error": {"message": "out of paint"}}), "stuck"),
        (httpx.Response(200, content=b""), "stuck"),
        (httpx.Response(200, content=b"spz", headers={"X-Splats": "many"}), "stuck"),
        (httpx.Response(429), "healthy"),
        (httpx.Response(503), "healthy"),
    ],
)
async def test_a_small_request_that_fails_tells_but_a_busy_server_does_not(
    service: Service, reply: httpx.Response, outcome: str
) -> None:
    probe = service.generation()
    service.now_s, service.work = 600.0, reply
    assert (await probe.check()).outcome == outcome


async def test_idle_models_that_are_moved_out_are_not_called_back(service: Service) -> None:
    table = GenerationTable(idle_unload_s=60.0)
    caller = Caller(PROCESSES[GENERATION], service.client(), 5.0)
    probe = ServerProbe(caller, table, SETTINGS, ask_for_asset, clock=lambda: service.now_s)
    service.now_s = 1e6
    await probe.check()
    assert "/generate/" not in service.asked


@pytest.mark.parametrize("page", [{}, {"queue": None}, {"queue": {"running": "x"}}])
async def test_a_status_page_that_can_not_be_read_is_told(service: Service, page: dict[str, Any]) -> None:
    service.status = page
    health = await service.generation().check()
    assert health.outcome == "stuck"
    assert "/status/" in health.why


async def still_for(service: Service, probe: Probe, seconds: float) -> str:
    await probe.check()
    service.now_s += seconds
    return (await probe.check()).outcome


READY = {"uid": 1, "ready_in_s": 0.0, "busy": False, "pulls": 4}
RESTING = READY | {"ready_in_s": 40.0}


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        ({"pulling": True, "validators": [READY]}, "stuck"),
        ({"pulling": True, "validators": [RESTING]}, "healthy"),
        ({"pulling": True, "validators": [READY | {"busy": True}]}, "healthy"),
        ({"pulling": True, "validators": [RESTING], "tasks_in_work": 1}, "stuck"),
        ({"pulling": True, "validators": [], "submissions_waiting": 1}, "stuck"),
        ({"pulling": False, "reason": "no server", "validators": [READY]}, "healthy"),
    ],
)
async def test_a_miner_is_stuck_only_when_it_could_go_on(
    service: Service, page: dict[str, Any], outcome: str
) -> None:
    service.status = page
    assert await still_for(service, service.miner(), 901.0) == outcome


@pytest.mark.parametrize(
    "move",
    [
        lambda page: page["validators"][0].update(pulls=5),
        lambda page: page["metrics"].update(accepted=1),
    ],
)
async def test_any_counter_that_moves_is_progress(
    service: Service, move: Callable[[dict[str, Any]], None]
) -> None:
    service.status = {"pulling": True, "validators": [dict(READY)], "metrics": {"accepted": 0, "speed": 1.5}}
    probe = service.miner()
    await probe.check()
    service.now_s = 899.0
    move(service.status)
    await probe.check()
    service.now_s = 1799.0
    assert (await probe.check()).outcome == "healthy"
    service.status["metrics"]["speed"] = 2.5  # a measure that drifts is none
    # nor is what goes on without the mining: the disk's room, a hold's time, blocks on the chain
    service.status |= {"journal": {"free_bytes": 7}, "holds": [{"left_s": 9}], "seat": {"immune_blocks": 4}}
    service.now_s = 1800.0
    assert (await probe.check()).outcome == "stuck"


async def test_the_small_request_for_a_score_carries_an_asset_that_validators_would_read() -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"score": 1.5})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(Exception, match=r"score 1\.5"):
            await ask_for_score(client, "http://server", "")
    assert sent[0]["compression"] == 2
    assert len(decode_spz(make_ball())) == 7000
