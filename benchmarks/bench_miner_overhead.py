"""What the miner itself takes for a task: from the pull to the verdict on disk, without the others' time.

    python benchmarks/bench_miner_overhead.py [--tasks 100] [--asset-bytes 722000] [--folder data]

The real miner, with its journal on the disk of `--folder`, a local validator on a real axon, and a server
that stands in for generation and validation and answers at once; these are processes of their own. Tasks come
one after the other. Subtracted is all time in which the miner waits in a socket, writing or reading: so what
the peers take and the wire are out; building requests, HTTP, JSON, base64, signatures, the journal with its
syncs, decisions and logging are in. In the same run: what the plain pieces cost without a miner around.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import platform
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpcore
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))
os.environ["BT_NO_PARSE_CLI_ARGS"] = "1"

from subnet17.log import configure_logging  # noqa: E402
from subnet17.mining.chain import open_chain  # noqa: E402
from subnet17.mining.journal import Journal, journal_folder  # noqa: E402
from subnet17.mining.miner import Miner  # noqa: E402
from subnet17.mining.nonces import Nonces  # noqa: E402
from subnet17.mining.protocol import PullTask  # noqa: E402
from subnet17.mining.servers import Servers  # noqa: E402
from subnet17.mining.transport import Transport  # noqa: E402
from subnet17.mining.wallet import load_keypair  # noqa: E402
from subnet17.settings import Settings, load_settings  # noqa: E402

WARM_UP_TASKS = 10
TIME_SCALE = 0.001
"""A cooldown of 0.3 s: the next task comes at once."""
FULL_ASSET_BYTES = 722_000
"""An SPZ of 52,709 splats, a real asset."""
VALIDATOR_PATHS = (b"/PullTask", b"/SubmitResults")
SERVER_PATHS = (b"/generate/", b"/validate_txt_to_3d_ply/")
TIMEOUT_S = 60.0
REPEATS = 50

Spent = Counter[str]


class Waits(httpcore.AsyncNetworkBackend):
    """The network that httpx uses anyway, with a watch on it."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, spent: Spent) -> None:
        self._inner, self._spent = inner, spent

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _Watched(await self._inner.connect_tcp(*args, **kwargs), self._spent)


class _Watched(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, spent: Spent) -> None:
        self._inner, self._spent = inner, spent
        self._whose = ""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if buffer.startswith((b"POST ", b"GET ")):
            path = buffer.split(b" ", 2)[1]
            self._whose = next(
                (name for name, paths in WAITED_FOR.items() if path in paths), "waited for others"
            )
        await timed(self._spent, self._whose, self._inner.write(buffer, timeout))

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await timed(self._spent, self._whose, self._inner.read(max_bytes, timeout))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


WAITED_FOR = {"waited for validators": VALIDATOR_PATHS, "waited for servers": SERVER_PATHS}


async def timed(spent: Spent, name: str, call: Awaitable[Any]) -> Any:
    """Adds what a call takes, in seconds."""
    started_s = time.perf_counter()
    try:
        return await call
    finally:
        spent[name] += time.perf_counter() - started_s  # type: ignore[assignment]


def timed_function(spent: Spent, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a plain function."""

    def call(*args: Any, **kwargs: Any) -> Any:
        started_s = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name] += time.perf_counter() - started_s  # type: ignore[assignment]

    return call


class TimedKeypair:
    """A keypair whose signing is timed."""

    def __init__(self, keypair: Any, spent: Spent) -> None:
        self.ss58_address = keypair.ss58_address
        self.sign = timed_function(spent, "signatures", keypair.sign)


class Meter:
    """Follows one task after the other through the miner.

    Attributes:
        tasks: Of each finished one: seconds by part, `all` among them.
    """

    def __init__(self, transport: Transport, servers: Servers, journal: Journal, spent: Spent) -> None:
        self.tasks: list[Spent] = []
        self.commits: list[int] = []
        self._spent = spent
        self._started_s = 0.0
        self._commits = 0
        watch(transport, spent)
        watch(servers, spent)
        self._time_calls(transport, "_call", "validator calls")
        self._time_calls(servers, "_post", "server calls")
        self._follow(transport, journal)

    def _time_calls(self, owner: Any, method: str, name: str) -> None:
        inner = getattr(owner, method)
        setattr(owner, method, lambda *a, **k: timed(self._spent, name, inner(*a, **k)))

    def _follow(self, transport: Transport, journal: Journal) -> None:
        pull, answered, run = transport.pull, journal.answered, journal._run

        async def begin(*args: Any, **kwargs: Any) -> Any:
            self._spent.clear()
            self._commits = 0
            self._started_s = time.perf_counter()
            return await pull(*args, **kwargs)

        async def end(*args: Any, **kwargs: Any) -> None:
            await answered(*args, **kwargs)
            self._spent["all"] = time.perf_counter() - self._started_s  # type: ignore[assignment]
            self.tasks.append(self._spent.copy())
            self.commits.append(self._commits)

        async def count(job: Callable[[], Any]) -> Any:
            self._commits += 1
            return await timed(self._spent, "journal", run(job))

        transport.pull, journal.answered, journal._run = begin, end, count  # type: ignore[method-assign, assignment]


def watch(owner: Any, spent: Spent) -> None:
    """Puts the watch below a client that is otherwise left as it is."""
    pool = owner._client._transport._pool
    pool._network_backend = Waits(pool._network_backend, spent)


def parts_of(task: Spent) -> dict[str, float]:
    """Milliseconds of one task by part. The parts don't overlap; `miner` is their sum."""
    validators = task["validator calls"] - task["waited for validators"] - task["signatures"]
    servers = task["server calls"] - task["waited for servers"]
    waited = task["waited for validators"] + task["waited for servers"]
    parts = {
        "signatures": task["signatures"],
        "journal": task["journal"],
        "requests to validators: headers, hashes, JSON, HTTP": validators,
        "requests to servers: forms, JSON, HTTP": servers,
        "base64": task["base64"],
    }
    miner = task["all"] - waited
    rest = {
        "rest: decisions, logging, event loop": miner - sum(parts.values()),
        "miner": miner,
        "waited": waited,
    }
    return {name: seconds * 1000 for name, seconds in (parts | rest).items()}


async def mine(settings: Settings, tasks: int) -> Meter:
    """The miner as its command line puts it together, until so many tasks are through."""
    spent: Spent = Counter()
    base64.b64encode = timed_function(spent, "base64", base64.b64encode)
    keypair: Any = TimedKeypair(load_keypair(settings), spent)
    folder = journal_folder(settings.data_dir, keypair.ss58_address)
    chain = open_chain(settings.network, loopback_only=True, folder=folder)
    journal = Journal.open(folder)
    nonces = Nonces(floor=await journal.nonce_floor(), reserve=journal.reserve_nonces)
    transport, servers = Transport(keypair, settings.network, nonces=nonces), Servers(settings)
    meter = Meter(transport, servers, journal, spent)
    miner = Miner(settings, transport=transport, chain=chain, servers=servers, journal=journal)
    running = asyncio.create_task(miner.run())
    deadline_s = time.monotonic() + TIMEOUT_S + tasks
    while len(meter.tasks) < tasks and time.monotonic() < deadline_s and not running.done():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    miner.stopping.set()
    await running
    for closing in (transport, servers, journal):
        await closing.aclose()
    assert len(meter.tasks) >= tasks, f"{len(meter.tasks)} tasks only: {miner.as_json()}"
    return meter


def stand_in(port: int, asset_bytes: int) -> None:
    """Both servers; never returns."""
    status = JSONResponse({"backend": "flux-hunyuan", "scorer": "reference", "score": 0.9, "reasons": []})
    noise = random.Random(1).randbytes(asset_bytes - 12)

    async def generate(request: Request) -> Response:
        async with request.form() as form:
            seed = int(str(form["seed"]))
        return Response(b"\x28\xb5\x2f\xfd" + seed.to_bytes(8, "big") + noise)

    async def validate(request: Request) -> Response:
        await request.body()
        return status

    routes = [
        Route("/generate/", generate, methods=["POST"]),
        Route("/validate_txt_to_3d_ply/", validate, methods=["POST"]),
        *(Route(path, lambda _: status) for path in ("/status/", "/health/")),
    ]
    uvicorn.run(Starlette(routes=routes), port=port, log_level="error")


def plain_pieces(folder: Path, settings: Settings, asset_bytes: int, commits: int) -> dict[str, float]:
    """Medians in milliseconds of what a task can't do without, with nothing around it."""
    data = random.Random(1).randbytes(asset_bytes)
    text = base64.b64encode(data).decode()
    keypair = load_keypair(settings)
    database = sqlite3.connect(folder / "plain.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE row (text)")

    def keep() -> None:
        with (folder / "draft").open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        (folder / "draft").replace(folder / "asset")
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return {
        "3 signatures": 3 * median_ms(lambda: keypair.sign(b"x" * 300)),
        f"{commits} SQLite commits, WAL and FULL": commits
        * median_ms(lambda: database.execute("INSERT INTO row VALUES (?)", ("x" * 500,))),
        "the asset's file, synced with its folder": median_ms(keep),
        "its SHA-256": median_ms(lambda: hashlib.sha256(data).hexdigest()),
        "base64, twice": 2 * median_ms(lambda: base64.b64encode(data).decode("ascii")),
        "JSON around it, twice": 2 * median_ms(lambda: json.dumps({"results": text}).encode()),
        "headers of an empty pull": median_ms(PullTask().to_headers),
    }


def median_ms(function: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        started_s = time.perf_counter()
        function()
        times.append(time.perf_counter() - started_s)
    return statistics.median(times) * 1000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def write_config(folder: Path, server_port: int) -> Path:
    url = f"http://127.0.0.1:{server_port}"
    path = folder / "mining.toml"
    path.write_text(
        f"""
[miner]
wallet_uri = "//Overhead"
generation_endpoints = ["{url}"]
validation_endpoint = "{url}"
num_generation_workers = 1
max_candidates = 1
[network]
chain = "static:{folder / "localnet" / "neurons.json"}"
local_validators = 1
local_port = {free_port()}
local_time_scale = {TIME_SCALE}
local_image_share = 0.0
pull_interval_s = 0.1
cooldown_margin_s = 0.0
[operations]
data_dir = "{folder}"
"""
    )
    return path


def run(folder: Path, tasks: int, asset_bytes: int) -> None:
    server_port = free_port()
    config = write_config(folder, server_port)
    settings = load_settings(config, environ={})
    configure_logging(service="subnet17-miner")
    itself = [sys.executable, __file__, "--stand-in", str(server_port), "--asset-bytes", str(asset_bytes)]
    subnet = [sys.executable, str(REPO / "local_subnet.py"), "--config", str(config)]
    peers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in (itself, subnet)]
    try:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not (folder / "localnet" / "neurons.json").exists():
            assert time.monotonic() < deadline_s, "the local subnet does not start"
            time.sleep(0.1)
        encode = base64.b64encode
        meter = asyncio.run(mine(settings, tasks + WARM_UP_TASKS))
        base64.b64encode = encode
    finally:
        for peer in peers:
            peer.terminate()
            peer.wait(30)
    measured = [parts_of(task) for task in meter.tasks[WARM_UP_TASKS:]]
    commits = round(statistics.median(meter.commits[WARM_UP_TASKS:]))
    print(
        f"{len(measured)} tasks, assets of {asset_bytes} bytes, {platform.processor() or platform.machine()},"
    )
    print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(f"{'milliseconds of a task':55}{'median':>8}{'90 %':>8}")
    for name in measured[0]:
        values = sorted(part[name] for part in measured)
        ninth = values[int(0.9 * (len(values) - 1))]
        print(f"{name:55}{statistics.median(values):8.2f}{ninth:8.2f}")
    print(f"\n{'the plain pieces, alone':55}{'median':>8}")
    for name, value in plain_pieces(folder, settings, asset_bytes, commits).items():
        print(f"{name:55}{value:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--asset-bytes", type=int, default=FULL_ASSET_BYTES)
    parser.add_argument("--folder", type=Path, default=REPO / "data", help="on the disk to be measured")
    parser.add_argument("--stand-in", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stand_in:
        stand_in(given.stand_in, given.asset_bytes)
        return
    folder = given.folder.resolve() / "bench-miner-overhead"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    output = sys.stderr
    try:
        with (folder / "log").open("w") as sys.stderr:
            run(folder, given.tasks, given.asset_bytes)
    finally:
        sys.stderr = output
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
