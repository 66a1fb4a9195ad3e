"""Thousands of damaged replies through the whole miner, in virtual time beside one good validator.

`python tests/unit/test_fuzzed_replies.py SEED COUNT` runs any number of them by hand.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (1, 2)]

import httpx
import pytest
import structlog
from fuzzed_replies import FuzzedValidators
from peers import MINER, SPZ, key, memory_folder

from subnet17.errors import PeerError
from subnet17.localnet.simulate.quality import Quality
from subnet17.localnet.simulate.validator import Pace, SimulatedValidator
from subnet17.localnet.simulate.wire import Wire
from subnet17.localnet.tasks import TaskDeck
from subnet17.localnet.virtual_time import VIRTUAL_CLOCK, run_virtually
from subnet17.mining.chain import Neuron, StaticChain
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.mining.servers import Servers
from subnet17.mining.transport import Transport
from subnet17.settings import MinerTable, NetworkTable, Settings

COUNT = 10_000
FUZZED = 100
MINUTES = 20
GOOD, BAD = "127.0.0.1", "127.0.0.2"
"""Where they live: what is said to the second goes through a real HTTP parser and back damaged."""


class Roads(httpx.AsyncBaseTransport):
    """Leads to each host by its own way."""

    def __init__(self, ways: dict[str, httpx.AsyncBaseTransport]) -> None:
        self._ways = ways

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._ways[request.url.host].handle_async_request(request)


class WatchedTransport(Transport):
    """Notes what comes out of calls."""

    outcomes: Counter[str]

    async def _call(self, *args: Any, **kwargs: Any) -> Any:
        try:
            reply = await super()._call(*args, **kwargs)
        except PeerError as error:
            self.outcomes[type(error).__name__] += 1
            raise
        except Exception as error:
            self.outcomes[f"unhandled: {type(error).__name__} {error}"] += 1
            raise
        self.outcomes["reply"] += 1
        return reply


async def serve(request: httpx.Request) -> httpx.Response:
    """Both servers: good work in two seconds."""
    path = request.url.path
    if path == "/generate/":
        await asyncio.sleep(2.0)
        return httpx.Response(200, content=SPZ, headers={"X-Backend": "flux-hunyuan"})
    tree: dict[str, Any] = {"backend": "flux-hunyuan", "scorer": "reference"}
    return httpx.Response(200, json=tree | {"score": 0.9} if path.startswith("/validate") else tree)


@cache
def neuron(name: str, ip: str, uid: int) -> Neuron:
    hotkey = key(name).ss58_address
    return Neuron(uid=uid, hotkey=hotkey, ip=ip, port=8091, stake=10_000.0, is_serving=True)


def good_validator() -> SimulatedValidator:
    deck = TaskDeck(["a red chair", "a blue cup"], [], image_share=0.0, rng=random.Random(1))
    quality = Quality(1)
    place = neuron("Validator0", GOOD, 0)
    validator = SimulatedValidator(
        place, miner=MINER.ss58_address, deck=deck, quality=quality, rng=random.Random(2), pace=Pace()
    )

    async def score(*_: object) -> float:
        return 0.9

    validator.score = score  # type: ignore[method-assign]
    return validator


async def mine_among(
    fuzzed: FuzzedValidators, good: SimulatedValidator, folder: Path, *, until: int
) -> Counter[str]:
    """Mining with every validator but one sending damaged replies; what came out of the calls."""
    neurons = (good.neuron, *(neuron(f"Fuzzed{i}", BAD, i + 1) for i in range(FUZZED)))

    own = {"uid": FUZZED + 1, "hotkey": MINER.ss58_address, "ip": GOOD, "port": 0}
    entries = [own, *(n.model_dump() for n in neurons)]
    (folder / "neurons.json").write_text(json.dumps(entries))
    chain = StaticChain(folder / "neurons.json")
    chain.refresh_s = 600.0
    settings = Settings(miner=MinerTable(num_generation_workers=16, max_candidates=1), network=NetworkTable())
    wire = Wire({f"{GOOD}:8091": good})
    client = httpx.AsyncClient(transport=Roads({GOOD: wire, BAD: fuzzed.client()}))
    transport = WatchedTransport(MINER, settings.network, clock=VIRTUAL_CLOCK, client=client)
    transport.outcomes = Counter()
    journal = Journal.open(folder, clock=VIRTUAL_CLOCK)
    client = httpx.AsyncClient(transport=httpx.MockTransport(serve))
    servers = Servers(settings, clock=VIRTUAL_CLOCK, client=client)
    miner = Miner(
        settings,
        transport=transport,
        chain=chain,
        servers=servers,
        journal=journal,
        clock=VIRTUAL_CLOCK,
        rng=random.Random(3),
    )
    running = asyncio.create_task(miner.run())
    for _ in range(MINUTES):
        await asyncio.sleep(60.0)
        assert not running.done(), running.result()
        if fuzzed.damaged.total() >= until:
            break
    miner.stopping.set()
    await running
    await transport.aclose()
    await servers.aclose()
    await journal.aclose()
    return transport.outcomes


def run(seed: int, count: int) -> tuple[Counter[str], Counter[str], list[Any], list[SimulatedValidator]]:
    """So many damaged replies, to a fresh miner every 20 minutes.

    Returns:
        What came out of the calls, what was damaged, log lines about bugs, the good validators.
    """
    outcomes: Counter[str] = Counter()
    fuzzed = FuzzedValidators(random.Random(seed), VIRTUAL_CLOCK.wall_s)
    good: list[SimulatedValidator] = []
    bugs: list[Any] = []
    while fuzzed.damaged.total() < count:
        good.append(good_validator())
        with (
            memory_folder() as folder,
            structlog.testing.capture_logs([structlog.processors.format_exc_info]) as lines,
        ):
            outcomes += run_virtually(mine_among(fuzzed, good[-1], folder, until=count))
        bugs += [line for line in lines if "exception" in line]
    return outcomes, fuzzed.damaged, bugs, good


@pytest.mark.timeout(900)
def test_no_damaged_reply_is_unhandled_and_the_good_validator_is_served_all_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Half of the test's time: looks at our own servers, and httpcore's, at every lock, for a missing package.
    monkeypatch.setattr("subnet17.mining.miner.HEALTH_INTERVAL_S", 60.0)
    monkeypatch.setitem(sys.modules, "sniffio", None)
    outcomes, damaged, bugs, good = run(1, COUNT)
    assert bugs == []
    assert outcomes.keys() <= {"reply", "PeerError", "PeerReplyError", "PeerTimeoutError"}
    assert min(damaged["PullTask"], damaged["SubmitResults"]) > COUNT / 5
    for validator in good:
        assert validator.page.counts.keys() <= {"assigned", "accepted", "skipped"}
        assert validator.door.refused == {}
    for validator in good[:-1]:  # the last one's miner stopped when the replies were through
        assert validator.page.counts["accepted"] >= MINUTES * 60 / 300 - 1


if __name__ == "__main__":
    print(*run(int(sys.argv[1]), int(sys.argv[2]))[:3], sep="\n")
