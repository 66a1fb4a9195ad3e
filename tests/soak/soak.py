"""Both servers as processes on the embedded back ends, asked for a long time: what leaks or tires shows here.

    python tests/soak/soak.py [--minutes 30] [--requests 10000]        (make soak: at night)

Requests are spread over the time; several are under way at once, more than are admitted, so that some are
refused where the machine is slow. A probe asks both `/health/` pages each second. Prints a table; exit code 1
when a limit is passed. Memory is what the servers and their workers hold together, from the end of the
warm-up to the end, each the largest of a few looks. Not covered: the miner (crash trials, simulation), GPU
back ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from subnet17.ops.sample_work import COMPRESSION_SPZ, PROMPT, make_ball  # noqa: E402
from tests.ports import reserve_port  # noqa: E402

WARM_UP = 0.1
"""Share of the requests after which memory and descriptors are counted: by then all was done once."""
LOOKS = 5
ASKERS = 8
"""More than a server admits, see SETTINGS."""
SETTINGS = """
[generation]
splat_count = 7000
max_concurrent_requests = 4
[validation]
max_concurrent_requests = 4
"""
PROBE_S = 1.0
PROBE_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 120.0
START_TIMEOUT_S = 180.0
MAX_GROWTH_BYTES = 100 * 2**20
MAX_NEW_DESCRIPTORS = 8
"""Connections of the moment; a leak of one in a hundred requests would be a hundred."""
MIN_AVAILABILITY = 0.99
REFUSED = frozenset({429, 503, 504})
"""It says that it has no room or no time: an answer, and not a failure."""
SHARES = {
    "generate": 24,
    "validate": 12,
    "health": 18,
    "status": 14,
    "metrics": 12,
    "bad prompt": 6,
    "bad asset": 6,
    "bad JSON": 4,
    "no such page": 4,
}
"""Of a hundred."""
EXPECTED = {"bad prompt": 400, "bad JSON": 400, "no such page": 404}
"""Of all others: 200. A bad asset is answered with a score of 0 and the reasons."""


@dataclass(frozen=True)
class Look:
    """What the servers and their workers hold."""

    memory_bytes: int
    descriptors: int
    processes: int


@dataclass
class Tally:
    """What was seen.

    Attributes:
        outcomes: Of each kind of request: answered, refused, failed.
        complaints: Some of the failures.
    """

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    probes: int = 0
    probes_missed: int = 0
    before: list[Look] = field(default_factory=list)
    after: list[Look] = field(default_factory=list)

    def add(self, kind: str, outcome: str, took_s: float) -> None:
        self.outcomes.setdefault(kind, Counter())[outcome] += 1
        self.seconds.setdefault(kind, []).append(took_s)

    def total(self, outcome: str) -> int:
        return sum(counter[outcome] for counter in self.outcomes.values())

    @property
    def availability(self) -> float:
        return 1 - self.probes_missed / max(1, self.probes)

    @property
    def growth_bytes(self) -> int:
        return _largest(self.after, "memory_bytes") - _largest(self.before, "memory_bytes")

    @property
    def new_descriptors(self) -> int:
        return min(look.descriptors for look in self.after) - max(look.descriptors for look in self.before)

    def breaches(self) -> list[str]:
        """What passed a limit, in words; empty when all is well."""
        found = {
            f"{self.total('failed')} requests failed: {self.complaints[:3]}": self.total("failed") > 0,
            f"memory grew by {_mib(self.growth_bytes)}": self.growth_bytes > MAX_GROWTH_BYTES,
            f"{self.new_descriptors} more descriptors": self.new_descriptors > MAX_NEW_DESCRIPTORS,
            f"availability {self.availability:.2%}": self.availability < MIN_AVAILABILITY,
            "nothing was answered": self.total("answered") == 0,
        }
        return [words for words, is_so in found.items() if is_so]


def _largest(looks: list[Look], name: str) -> int:
    return max(int(getattr(look, name)) for look in looks)


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


class Server:
    """One server's process and where it answers."""

    def __init__(self, script: str, *flags: str, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := reserve_port())}"
        self.log = folder / f"{script}.log"
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("S17_", "SUBNET17_"))}
        env = clean | {"S17_OPERATIONS__DATA_DIR": str(folder), "S17_CONFIG": str(folder / "mining.toml")}
        with self.log.open("ab") as log:
            self.process = psutil.Popen(
                [sys.executable, script, "--port", str(port), *flags],
                cwd=REPO,
                env=env,
                stdout=log,
                stderr=log,
            )

    def look(self) -> Look:
        looks = []
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.Error):
                looks.append((_own_bytes(process), process.num_fds()))
        return Look(sum(m for m, _ in looks), sum(d for _, d in looks), len(looks))

    def end(self) -> int:
        """Drains it; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return int(self.process.wait(90))
        except psutil.TimeoutExpired:
            for process in [*self.process.children(recursive=True), self.process]:
                with suppress(psutil.Error):
                    process.kill()
            return int(self.process.wait(10))


def _own_bytes(process: psutil.Process) -> int:
    return int(process.memory_full_info().uss)  # what is shared between workers would be counted twice


@contextmanager
def running(folder: Path) -> Iterator[tuple[Server, Server]]:
    """Both servers, generation first.

    Raises:
        AssertionError: one did not end with exit code 0.
    """
    (folder / "mining.toml").write_text(SETTINGS)
    servers = (
        Server("generation_server.py", "--backend", "procedural", folder=folder),
        Server("validation_server.py", "--scorer", "embedded", "--renderer", "cpu", folder=folder),
    )
    try:
        yield servers
    finally:
        codes = [server.end() for server in servers]
    assert codes == [0, 0], f"exit codes {codes}: {[s.log.read_text()[-800:] for s in servers]}"


class Soak:
    """Asks, probes and looks.

    Args:
        duration_s: The requests are spread over it; when they take longer, so does the soak.
        askers: Requests under way at once.
    """

    def __init__(
        self, servers: tuple[Server, Server], *, duration_s: float, requests: int, askers: int = ASKERS
    ) -> None:
        self.generation, self.validation = servers
        self.duration_s, self.requests, self.askers = duration_s, requests, askers
        self.tally = Tally()
        self._draws = random.Random(17)
        self._asked = 0
        self._ball = base64.b64encode(make_ball()).decode()

    async def run(self) -> Tally:
        async with self._client() as client:
            await self._wait_ready(client)
            probing = asyncio.create_task(self._probe())
            self._started_s = time.monotonic()
            await asyncio.gather(*(self._ask_on(client) for _ in range(self.askers)))
            probing.cancel()
            await asyncio.wait([probing])
            self.tally.after = await self._look()
        return self.tally

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT_S) as client:
            yield client

    async def _wait_ready(self, client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(START_TIMEOUT_S):
            for server in (self.generation, self.validation):
                while not await self._is_healthy(client, server):
                    assert server.process.poll() is None, server.log.read_text()[-2000:]
                    await asyncio.sleep(0.2)

    async def _is_healthy(self, client: httpx.AsyncClient, server: Server) -> bool:
        with suppress(httpx.HTTPError):
            reply = await client.get(f"{server.url}/health/", timeout=PROBE_TIMEOUT_S)
            return reply.status_code == httpx.codes.OK
        return False

    async def _probe(self) -> None:
        """Both must answer; with connections of its own, so as not to wait behind the requests."""
        async with self._client() as client:
            while True:
                for server in (self.generation, self.validation):
                    self.tally.probes += 1
                    self.tally.probes_missed += not await self._is_healthy(client, server)
                await asyncio.sleep(PROBE_S)

    async def _ask_on(self, client: httpx.AsyncClient) -> None:
        while self._asked < self.requests:
            number, self._asked = self._asked, self._asked + 1
            if number == int(self.requests * WARM_UP):
                self.tally.before = await self._look()
            await asyncio.sleep(self._started_s + number * self.duration_s / self.requests - time.monotonic())
            kind = self._kind(number)
            started_s = time.monotonic()
            outcome = await self._outcome(client, kind, number)
            self.tally.add(kind, outcome, time.monotonic() - started_s)

    def _kind(self, number: int) -> str:
        """Each once at first."""
        kinds = list(SHARES)
        if number < len(kinds):
            return kinds[number]
        return self._draws.choices(kinds, list(SHARES.values()))[0]

    async def _look(self) -> list[Look]:
        looks = []
        for _ in range(LOOKS):
            parts = [server.look() for server in (self.generation, self.validation)]
            looks.append(
                Look(
                    sum(p.memory_bytes for p in parts),
                    sum(p.descriptors for p in parts),
                    sum(p.processes for p in parts),
                )
            )
            await asyncio.sleep(0.2)
        return looks

    async def _outcome(self, client: httpx.AsyncClient, kind: str, number: int) -> str:
        try:
            reply = await self._send(client, kind, number)
        except httpx.HTTPError as error:
            return self._failed(f"{kind}: {type(error).__name__} {error}")
        if reply.status_code == EXPECTED.get(kind, httpx.codes.OK):
            return "answered" if reply.content else self._failed(f"{kind}: an empty answer")
        if reply.status_code in REFUSED:
            return "refused"
        return self._failed(f"{kind}: {reply.status_code} {reply.text[:200]}")

    def _failed(self, complaint: str) -> str:
        self.tally.complaints.append(complaint)
        return "failed"

    async def _send(self, client: httpx.AsyncClient, kind: str, number: int) -> httpx.Response:
        generate = f"{self.generation.url}/generate/"
        validate = f"{self.validation.url}/validate_txt_to_3d_ply/"
        either = (self.generation, self.validation)[number % 2].url
        if kind == "generate":
            body = {"prompt": f"{PROMPT} {number}", "seed": number, "format": "spz", "profile": "speed"}
            return await client.post(generate, json=body)
        if kind == "validate":
            return await client.post(validate, json=self._asset(self._ball))
        if kind == "bad prompt":
            return await client.post(generate, json={"prompt": "x" * 2000, "seed": -number})
        if kind == "bad asset":
            return await client.post(validate, json=self._asset(base64.b64encode(b"no asset" * 99).decode()))
        if kind == "bad JSON":
            headers = {"Content-Type": "application/json"}
            return await client.post(validate, content=b'{"data": [', headers=headers)
        page = "nothing/here" if kind == "no such page" else f"{kind}/"
        return await client.get(f"{either}/{page}")

    def _asset(self, data: str) -> dict[str, object]:
        return {"prompt": PROMPT, "data": data, "compression": COMPRESSION_SPZ}


def print_table(tally: Tally) -> None:
    """What was seen, in plain text."""
    row = "{:<14}{:>10}{:>10}{:>8}{:>12}{:>12}"
    print(row.format("request", "answered", "refused", "failed", "median s", "slowest s"))
    for kind, counter in tally.outcomes.items():
        times = tally.seconds[kind]
        figures = (f"{statistics.median(times):.3f}", f"{max(times):.3f}")
        print(row.format(kind, counter["answered"], counter["refused"], counter["failed"], *figures))
    for name, looks in (("warm", tally.before), ("end", tally.after)):
        last = looks[-1]
        print(
            f"{name}: {_mib(_largest(looks, 'memory_bytes'))} in {last.processes} processes, "
            f"{last.descriptors} descriptors"
        )
    print(
        f"memory {_mib(tally.growth_bytes)} more, {tally.new_descriptors} more descriptors, "
        f"availability {tally.availability:.3%} of {tally.probes} probes"
    )


def main() -> int:
    """Soaks for as long as was asked; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--requests", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as servers:
        soak = Soak(servers, duration_s=asked.minutes * 60, requests=asked.requests)
        tally = asyncio.run(soak.run())
    print_table(tally)
    for words in tally.breaches():
        print(f"error: {words}", file=sys.stderr)
    return 1 if tally.breaches() else 0


if __name__ == "__main__":
    sys.exit(main())
