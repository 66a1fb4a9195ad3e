"""Each key of the servers that is said to be followed live is: a changed file changes what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from subnet17.deadline import Deadline
from subnet17.errors import StageError
from subnet17.generation.app import create_app as create_generation_app
from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.backends import Backend, answer
from subnet17.generation.profiles import Work, plan_work
from subnet17.generation.request import GenerationRequest
from subnet17.gpu.news import GpuNews
from subnet17.gpu.pressure import LEVELS, Pressure
from subnet17.gpu.watcher import Watcher
from subnet17.log import configure_logging, log_style
from subnet17.reload import SettingsFollower
from subnet17.serving import worker_device
from subnet17.serving.workers import WorkerPool
from subnet17.settings import LIVE, GenerationTable, Settings
from subnet17.settings_uses import GENERATION_SERVER, VALIDATION_SERVER, list_keys
from subnet17.validation.app import create_app as create_validation_app
from subnet17.validation.choice import CPU, EMBEDDED, Choice
from tests.config_files import write_config

SERVERS = (*GENERATION_SERVER, *VALIDATION_SERVER)


@dataclass
class Bench:
    """A server in this process, and the jobs that its workers were given."""

    client: httpx.AsyncClient
    follower: SettingsFollower
    jobs: list[dict[str, Any]]
    pools: list[WorkerPool]

    async def ask(self, prompt: str = "a red ball") -> None:
        """A request of each kind, of which a server knows one."""
        for path in ("/generate/", "/validate_txt_to_3d_ply/"):
            await self.client.post(path, json={"prompt": prompt})

    async def status(self) -> dict[str, Any]:
        return dict((await self.client.get("/status/")).json())


FAIL = "fail"
"""A prompt."""
given: list[tuple[GenerationRequest, GenerationTable]] = []
"""What the back end was asked for, and under which settings."""


def generate(request: GenerationRequest, settings: GenerationTable) -> GeneratedAsset:
    if request.prompt == FAIL:
        raise StageError("a fault of ours")
    given.append((request, settings))
    return GeneratedAsset(b"asset", 1, [], {})


@asynccontextmanager
async def bench_of(table: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    follower = SettingsFollower(SERVERS, path, environ={})
    jobs: list[dict[str, Any]] = []
    pools: list[WorkerPool] = []

    async def run(pool: WorkerPool, job: Any, *args: Any, timeout_s: float) -> Any:
        jobs.append({"timeout_s": timeout_s})
        if job is answer:
            return job(*args)
        raise StageError("nothing validates")

    async def keep_ready(pool: WorkerPool) -> None:
        pools.append(pool)
        await asyncio.sleep(60)

    monkeypatch.setattr(WorkerPool, "run", run)
    monkeypatch.setattr(WorkerPool, "keep_ready", keep_ready)
    monkeypatch.setattr(WorkerPool, "check_ready", lambda _: None)
    if table == "generation":
        backend = Backend("fake", "a test", load=int, generate=generate, args=())
        app = create_generation_app(follower.current.generation, backend=backend, follower=follower)
    else:
        choices = {"scorer": Choice(EMBEDDED, ""), "renderer": Choice(CPU, "")}
        app = create_validation_app(follower.current.validation, **choices, follower=follower)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await asyncio.sleep(0)
        yield Bench(client, follower, jobs, pools)


async def limit_of(bench: Bench) -> int:
    return int((await bench.status())["queue"]["limit"])


async def time_of(bench: Bench) -> int:
    """In steps of 11 s: some of it has passed when the job is given on."""
    await bench.ask()
    return 11 * round(bench.jobs[-1]["timeout_s"] / 11)


async def failures_until_open(bench: Bench) -> int:
    while (await bench.status())["breaker"]["state"] == "closed":
        await bench.ask(FAIL)
    return len(bench.jobs)


async def profile_of(bench: Bench) -> str:
    await bench.ask()
    return given[-1][0].profile


def work(part: Callable[[Work], int]) -> Callable[[Bench], Awaitable[int]]:
    async def planned(bench: Bench) -> int:
        await bench.ask()
        return part(plan_work(given[-1][1], "balanced", LEVELS[0]))

    return planned


async def guidance_of(bench: Bench) -> float:
    """What the shape model is run with."""
    module = pytest.importorskip("subnet17.generation.flux_hunyuan_job", exc_type=ImportError)
    runs: list[float] = []
    held = SimpleNamespace(latents=lambda *_, guidance, **__: runs.append(guidance))
    (await job_of(bench, module, held))._make_latents(None)
    return runs[0]


async def algorithm_of(bench: Bench) -> str:
    """What meshes are extracted with."""
    module = pytest.importorskip("subnet17.generation.flux_hunyuan_job", exc_type=ImportError)
    runs: list[str] = []
    model = SimpleNamespace(field_decoder=SimpleNamespace(), device="cpu")
    held = SimpleNamespace(model=model, decoder=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "field_to_mesh", lambda *_, mc_algo, **__: runs.append(mc_algo))
        (await job_of(bench, module, held))._extract(None)
    return runs[0]


async def job_of(bench: Bench, module: Any, held: Any) -> Any:
    """A job of the GPU back end under the settings that a request came with."""
    await bench.ask()
    request, settings = given[-1]
    shape: Any = SimpleNamespace(lease=lambda _: nullcontext(held))
    nothing: Any = None
    pieces = module.Pieces(settings, nothing, nothing, shape, Pressure(), lambda: None)
    return module.FluxHunyuanJob(pieces, request, Deadline.after(60))


def open_flux(settings: Settings) -> None:
    module = pytest.importorskip("subnet17.generation.flux_hunyuan", exc_type=ImportError)
    module.FluxHunyuan(settings.generation.model_copy(update={"device": "cpu"}), Path("nowhere"))


def open_judge(settings: Settings) -> None:
    module = pytest.importorskip("subnet17.validation.gpu_judge", exc_type=ImportError)
    table = settings.validation.model_copy(update={"device": "cpu"})
    module.GpuJudge(table, Choice(EMBEDDED, "a test"), Choice(CPU, "a test"))


def watched(open_models: Callable[[Settings], None], key: str) -> Callable[[Bench], Awaitable[float]]:
    """What the watcher of a device's memory goes by once the worker that holds its models has followed."""

    async def told(bench: Bench) -> float:
        posted = bench.pools[0]._board.read()
        followers: list[Callable[[Settings], None]] = []
        limits: dict[str, float] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker_device, "add_follower", followers.append)
            patch.setattr(worker_device, "tell", lambda _: None)
            for thread in (GpuNews, Watcher):
                patch.setattr(thread, "start", lambda _: None)
            patch.setattr(Watcher, "change", lambda _, **told: limits.update(told))
            open_models(Settings())
            for follow in followers:
                follow(posted[1] if posted else bench.follower.current)
        return limits[key]

    return told


async def level_of(bench: Bench) -> str:
    return log_style().level


PROBES: dict[str, tuple[Any, Callable[[Bench], Awaitable[Any]]]] = {
    "generation.max_concurrent_requests": (3, limit_of),
    "generation.request_timeout_s": (33, time_of),
    "generation.circuit_breaker_failure_threshold": (2, failures_until_open),
    "generation.memory_cleanup_threshold": (0.7, watched(open_flux, "threshold")),
    "generation.idle_unload_s": (9.0, watched(open_flux, "idle_unload_s")),
    "generation.profile": ("quality", profile_of),
    "generation.splat_count": (9000, work(lambda work: work.splats)),
    "generation.image_steps": (2, work(lambda work: work.image_steps)),
    "generation.num_inference_steps": (12, work(lambda work: work.shape_steps)),
    "generation.octree_resolution": (128, work(lambda work: work.octree_resolution)),
    "generation.guidance_scale": (7.5, guidance_of),
    "generation.mc_algo": ("dmc", algorithm_of),
    "validation.max_concurrent_requests": (3, limit_of),
    "validation.request_timeout_s": (33, time_of),
    "validation.circuit_breaker_failure_threshold": (2, failures_until_open),
    "validation.memory_cleanup_threshold": (0.7, watched(open_judge, "threshold")),
    "validation.idle_unload_s": (9.0, watched(open_judge, "idle_unload_s")),
    "operations.log_level": ("error", level_of),
}
"""Live key -> another value than its default, and how to see what is done by it."""


def test_each_live_key_of_the_servers_is_probed() -> None:
    assert set(PROBES) == {f"{table}.{key}" for table, key in list_keys(SERVERS, LIVE)}


@pytest.mark.parametrize("name", PROBES)
async def test_a_live_key_changes_what_is_done(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging(service="test", level="info")
    value, observe = PROBES[name]
    table, _, key = name.partition(".")
    path = tmp_path / "mining.toml"
    path.write_text("# nothing is set\n")
    server = table if table in ("generation", "validation") else "generation"
    async with bench_of(server, path, monkeypatch) as bench:
        assert await observe(bench) != value
    async with bench_of(server, path, monkeypatch) as bench:
        write_config(path, **{table: {key: value}})
        bench.follower.look()
        assert bench.follower.as_json()["live"][name] == value  # type: ignore[index]
        assert await observe(bench) == value
    configure_logging(service="test", level="info")
