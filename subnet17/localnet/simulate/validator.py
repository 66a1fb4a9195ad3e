"""One validator on the simulation's wire: its rules are the local subnet's, its temper is its own."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import bittensor as bt
import httpx

from subnet17.errors import PeerError
from subnet17.localnet.ledger import Page
from subnet17.localnet.rules import Rules
from subnet17.localnet.simulate.door import Door, RefusedError
from subnet17.localnet.simulate.faults import Fault, behave
from subnet17.localnet.simulate.quality import Quality
from subnet17.localnet.simulate.rivals import Rivals
from subnet17.localnet.simulate.wire import reply
from subnet17.localnet.tasks import TaskDeck
from subnet17.localnet.validator import Validator
from subnet17.localnet.virtual_time import VIRTUAL_CLOCK
from subnet17.mining.chain import Neuron
from subnet17.mining.protocol import GetVersion, PullTask, SubmitResults, Task

VERSION = 1
PORT = 8091


@dataclass(frozen=True)
class Pace:
    """How quick a validator is: bounds of uniform times, seconds.

    Attributes:
        way_s: Of one way through the network.
        judging_s: Of scoring a result.
    """

    way_s: tuple[float, float] = (0.05, 0.3)
    judging_s: tuple[float, float] = (0.5, 1.5)


class SimulatedValidator:
    """Answers requests as an axon does, with its pace and faults.

    Attributes:
        page: What its rules wrote down.
        registered: The hotkeys it knows. A habit may change it.
        fault: What befalls each request. A habit may change it.
        lies: Rejects everything.
        fails: Can't judge anything, and says so.
    """

    def __init__(
        self,
        neuron: Neuron,
        *,
        miner: str,
        deck: TaskDeck,
        quality: Quality,
        rng: random.Random,
        pace: Pace,
        skew_s: float = 0.0,
        bias: float = 0.0,
        rules: Rules | None = None,
    ) -> None:
        """
        Args:
            rng: Draws its times.
            skew_s: Its clock minus ours.
            bias: Added to what an asset is worth.
            rules: None: those of every validator.
        """
        self.neuron = neuron
        self.page = Page(uid=neuron.uid, hotkey=neuron.hotkey, kept=sys.maxsize)
        self.registered = {miner}
        self.fault: Fault = behave
        self.lies = self.fails = False
        self._quality = quality
        self._rng = rng
        self._pace = pace
        self.skew_s = skew_s
        self._bias = bias
        self._serving: set[asyncio.Task[httpx.Response]] = set()
        self.door = Door(neuron.hotkey, self._now_s)
        self._rules = Validator(
            self.page,
            registered=self.registered,
            rules=rules or Rules(),
            deck=deck,
            scorer=self,
            ledger=self,
            duels=Rivals(quality, neuron.hotkey),
            clock=self._now_s,
        )
        self._routes: dict[str, Callable[[httpx.Request], Awaitable[bt.Synapse]]] = {
            "/PullTask": self._pull,
            "/SubmitResults": self._submit,
            "/GetVersion": self._tell_version,
        }

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        return await self.fault(request, self._serve)

    def crash(self, *, keeps_state: bool) -> None:
        """Ends what it is doing, and what it holds in memory. It can be called again at once."""
        for task in self._serving:
            task.cancel()
        self.door.forget()
        if not keeps_state:
            self.page.miners.clear()

    def write(self, page: Page) -> None:
        """Keeps nothing on disk: the page is read when the simulation ends."""

    async def score(self, task: Task, data: str) -> float:
        """What it says a result is worth."""
        await asyncio.sleep(self._rng.uniform(*self._pace.judging_s))
        if self.fails:
            raise PeerError("the scorer is down")
        if self.lies:
            return 0.0
        asset = base64.b64decode(data)
        return self._quality.verdict(task.prompt, asset, validator=self.neuron.hotkey, bias=self._bias)

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        """Serves to the end even when the caller hangs up; a crash breaks the connection."""
        task = asyncio.create_task(self._answer(request))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise httpx.ReadError("connection reset", request=request) from None
            raise

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        await self._travel()
        try:
            answer = await self._routes[request.url.path](request)
        except RefusedError as error:
            body, status = json.dumps({"message": error.message}).encode(), error.status
        else:
            body, status = answer.model_dump_json().encode(), 200
        sent_s = self._now_s()
        await self._travel()
        return reply(body, status=status, date_s=sent_s)

    async def _travel(self) -> None:
        await asyncio.sleep(self._rng.uniform(*self._pace.way_s))

    async def _pull(self, request: httpx.Request) -> PullTask:
        synapse = self.door.admit(PullTask, request, refuse=lambda _: None)
        return self._rules.pull(synapse, miner=_caller(request))

    async def _submit(self, request: httpx.Request) -> SubmitResults:
        synapse = self.door.admit(SubmitResults, request, refuse=self._rules.refuse)
        return await self._rules.submit(synapse, miner=_caller(request))

    async def _tell_version(self, request: httpx.Request) -> GetVersion:
        synapse = self.door.admit(GetVersion, request, refuse=lambda _: None)
        synapse.version, synapse.validation_version = VERSION, "simulated"
        return synapse

    def _now_s(self) -> float:
        return VIRTUAL_CLOCK.wall_s() + self.skew_s


def _caller(request: httpx.Request) -> str:
    """The hotkey whose signature the door has verified."""
    return request.headers["bt_header_dendrite_hotkey"]
