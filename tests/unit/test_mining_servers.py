"""The miner's client of the generation and validation servers, against real HTTP."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from peers import SPZ, FakeGeneration, FakeValidation, app_peer, assignment, hang, raw_peer

from subnet17.errors import (
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    PeerError,
    PeerReplyError,
    PeerTimeoutError,
    S17Error,
    StageError,
    UnauthorizedError,
    UnavailableError,
)
from subnet17.localnet.virtual_time import VIRTUAL_CLOCK, run_virtually
from subnet17.mining.servers import Servers
from subnet17.mining.tasks import Candidate
from subnet17.settings import GenerationTable, MinerTable, Settings
from tests.ports import reserve_port

CANDIDATE = Candidate(0, 7, SPZ, "flux-hunyuan", 1.0)


def error_body(code: str = "x") -> dict[str, object]:
    return {"error": {"code": code, "message": "told so", "detail": {"message": "m", "self": 1}}}


@asynccontextmanager
async def servers_of(
    *generations: FakeGeneration, validation: FakeValidation | None = None, **miner: float
) -> AsyncIterator[Servers]:
    """A checked client of running servers."""
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(app_peer(g.app())) for g in generations]
        judge = await stack.enter_async_context(app_peer((validation or FakeValidation()).app()))
        table = MinerTable(
            generation_endpoints=[f"http://127.0.0.1:{port}" for port in ports],
            validation_endpoint=f"http://127.0.0.1:{judge}",
            **miner,  # type: ignore[arg-type]
        )
        servers = Servers(Settings(miner=table, generation=GenerationTable(api_key="secret")))
        await servers.check()
        try:
            yield servers
        finally:
            await servers.aclose()


async def test_a_text_task_is_asked_for_as_spz_with_its_seed() -> None:
    generation = FakeGeneration()
    async with servers_of(generation) as servers:
        made = await servers.generate(assignment(), index=2, seed=77)
    assert (made.index, made.seed, made.data, made.backend) == (2, 77, SPZ, "flux-hunyuan")
    assert generation.forms == [{"prompt": "a red chair", "seed": "77", "format": "spz", "timeout": "120"}]


async def test_a_picture_is_sent_as_a_file() -> None:
    generation = FakeGeneration()
    picture = bytes(range(256))
    task = assignment(kind="image", prompt=base64.b64encode(picture).decode())
    async with servers_of(generation) as servers:
        await servers.generate(task, index=0, seed=1)
    assert generation.forms[0]["prompt_image_file"] == picture
    assert "prompt" not in generation.forms[0]


async def test_a_picture_that_is_not_base64_is_the_tasks_fault() -> None:
    async with servers_of(FakeGeneration()) as servers:
        with pytest.raises(InvalidInputError):
            await servers.generate(assignment(kind="image", prompt="no!"), index=0, seed=1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInputError),
        (422, InvalidInputError),
        (401, UnauthorizedError),
        (404, PeerError),
        (429, OverloadedError),
        (500, StageError),
        (503, UnavailableError),
    ],
)
async def test_the_servers_errors_become_ours(status: int, kind: type[S17Error]) -> None:
    async with servers_of(FakeGeneration(fail=[(status, error_body())] * 3)) as servers:
        with pytest.raises(kind, match="told so") as caught:
            await servers.generate(assignment(), index=0, seed=1)
    assert caught.value.detail["http_status"] == status


async def test_work_that_took_too_long_is_no_outage() -> None:
    late = (503, {"error": {"code": "deadline", "message": "took too long", "detail": {}}})
    async with servers_of(FakeGeneration(fail=[late])) as servers:
        with pytest.raises(DeadlineError, match="took too long"):
            await servers.generate(assignment(), index=0, seed=1)


async def test_a_reply_that_is_not_spz_is_refused() -> None:
    async with servers_of(FakeGeneration(data=b"ply\nformat")) as servers:
        with pytest.raises(PeerReplyError, match="SPZ"):
            await servers.generate(assignment(), index=0, seed=1)


async def test_another_endpoint_stands_in_for_a_failing_one() -> None:
    broken, good = FakeGeneration(fail=[(503, error_body())] * 9), FakeGeneration()
    async with servers_of(broken, good) as servers:
        for seed in range(4):
            await servers.generate(assignment(), index=0, seed=seed)
    assert len(good.forms) == 4
    assert len(broken.forms) == 1


async def test_work_is_spread_over_endpoints_up_to_the_allowed_number() -> None:
    one, two = FakeGeneration(delay_s=0.05), FakeGeneration(delay_s=0.05)
    async with servers_of(one, two, max_concurrent_generations=2) as servers:
        jobs = (servers.generate(assignment(), index=0, seed=seed) for seed in range(6))
        await asyncio.gather(*jobs)
    assert (one.most_running, two.most_running) == (1, 1)
    assert len(one.forms) + len(two.forms) == 6


def test_a_fast_endpoint_gets_more_work_than_a_slow_one() -> None:
    takes_s = {"10.0.0.1": 0.2, "10.0.0.2": 0.01}
    asked = Counter[str]()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] += 1
        await asyncio.sleep(takes_s[request.url.host])
        return httpx.Response(200, content=SPZ, headers={"x-backend": "flux-hunyuan"})

    async def generate() -> None:
        table = MinerTable(generation_endpoints=[f"http://{host}:1" for host in takes_s])
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            servers = Servers(Settings(miner=table), clock=VIRTUAL_CLOCK, client=client)
            for endpoint in servers.generation.endpoints:
                endpoint.healthy = True
            for seed in range(8):
                await servers.generate(assignment(), index=0, seed=seed)

    run_virtually(generate())
    assert asked["10.0.0.2"] > asked["10.0.0.1"]


async def test_a_hanging_server_is_left_after_the_time_limit() -> None:
    async with raw_peer(hang) as port, servers_of(FakeGeneration(), generation_timeout_s=0.2) as servers:
        servers.generation.endpoints[0].url = f"http://127.0.0.1:{port}"
        with pytest.raises(PeerTimeoutError):
            await servers.generate(assignment(), index=0, seed=1)
        assert "rests after failures" in servers.trouble


@pytest.mark.parametrize(("kind", "field"), [("text", "prompt"), ("image", "prompt_image")])
async def test_a_candidate_is_scored_by_the_validators_route(kind: str, field: str) -> None:
    validation = FakeValidation(scores=[0.75])
    async with servers_of(FakeGeneration(), validation=validation) as servers:
        score = await servers.score(assignment(kind=kind, prompt="QQ=="), CANDIDATE)
    assert (score.value, score.scorer) == (0.75, "reference")
    (body,) = validation.bodies
    assert body[field] == "QQ=="
    assert body["compression"] == 2
    assert base64.b64decode(body["data"]) == SPZ
    assert body["path"] == f"/validate_{kind.replace('text', 'txt').replace('image', 'img')}_to_3d_ply/"


@pytest.mark.parametrize("score", [None, "0.9", True, [0.9]])
async def test_a_score_that_is_no_number_is_refused(score: object) -> None:
    async with servers_of(FakeGeneration(), validation=FakeValidation(scores=[score])) as servers:
        with pytest.raises(PeerReplyError):
            await servers.score(assignment(), CANDIDATE)


async def test_checks_tell_what_the_servers_are_and_whether_they_are_ready() -> None:
    generation = FakeGeneration(backend="procedural")
    async with servers_of(generation) as servers:
        assert servers.trouble == ""
        assert servers.generation.endpoints[0].identity == "procedural"
        assert servers.validation.endpoints[0].identity == "reference"
        generation.healthy = False
        await servers.check()
        assert "generation server" in servers.trouble


async def test_a_server_that_is_down_is_trouble_not_an_exception() -> None:
    miner = MinerTable(generation_endpoints=[f"http://127.0.0.1:{reserve_port()}"])
    servers = Servers(Settings(miner=miner))
    await servers.check()
    assert "generation server" in servers.trouble
    with pytest.raises(UnavailableError):
        await servers.generate(assignment(), index=0, seed=1)
    await servers.aclose()


def test_another_endpoint_stands_in_for_one_that_hangs_longer_than_any_retry_would_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "10.0.0.1":
            await asyncio.Event().wait()
        return httpx.Response(200, content=SPZ, headers={"x-backend": "flux-hunyuan"})

    async def generate() -> tuple[Candidate, float]:
        monkeypatch.setattr(time, "monotonic", VIRTUAL_CLOCK.monotonic_s)  # stamina goes by it
        table = MinerTable(generation_endpoints=["http://10.0.0.1:1", "http://10.0.0.2:1"])
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            servers = Servers(Settings(miner=table), clock=VIRTUAL_CLOCK, client=client)
            for endpoint in servers.generation.endpoints:
                endpoint.healthy = True
            made = await servers.generate(assignment(), index=0, seed=1)
        return made, VIRTUAL_CLOCK.monotonic_s()

    made, took_s = run_virtually(generate())
    assert made.data == SPZ
    assert took_s == pytest.approx(120.0, abs=2.0)
