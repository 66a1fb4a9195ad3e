"""One validator: gives out tasks, judges results, enforces the rules and writes it all down.

Covers: what follows a pull or a submit, given who asks. Does not cover: the wire and the caller's identity
(axon.py) and the score itself (scoring.py). Order of the checks on a submit: task, signature, skip, lock,
score. One instance runs in one event loop; only the scoring is awaited, so the rest of a step is atomic.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

import bittensor as bt

from subnet17.errors import PeerError
from subnet17.localnet.ledger import Entry, Keeper, Kind, Page
from subnet17.localnet.ratings import Rating
from subnet17.localnet.rules import Rules
from subnet17.localnet.standing import Standing
from subnet17.localnet.tasks import TaskDeck
from subnet17.log import get_logger
from subnet17.mining.protocol import (
    COMPRESSION_SPZ,
    DATA_FORMAT,
    DATA_VERSION,
    SKIP,
    PullTask,
    SubmitResults,
    Task,
    submit_message,
)

MAX_TITLE_CHARS = 80
MAX_HOTKEY_CHARS = 64


class Scorer(Protocol):
    """Scores an asset against its task."""

    async def score(self, task: Task, data: str) -> float:
        """The fidelity, 0..1, of base64 `data`.

        Raises:
            PeerError: no verdict could be had, and that is the validator's fault.
        """


class Duels(Protocol):
    """Sets accepted results against other miners'."""

    def fight(self, rating: Rating, task: Task, score: float) -> Rating:
        """The rating after the duel of a result with this score."""


class Validator:
    """A validator without its wire."""

    def __init__(
        self,
        page: Page,
        *,
        registered: Collection[str],
        rules: Rules,
        deck: TaskDeck,
        scorer: Scorer,
        ledger: Keeper,
        duels: Duels | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            page: Its part of the ledger, which also holds where each miner stands.
            registered: Hotkeys of all neurons of the subnet.
            duels: None: every miner keeps the rating of a newcomer.
            clock: Unix seconds.
        """
        self.hotkey = page.hotkey
        self._page = page
        self._registered = registered
        self._rules = rules
        self._deck = deck
        self._scorer = scorer
        self._ledger = ledger
        self._duels = duels
        self._clock = clock
        self._log = get_logger(validator=page.uid)

    def pull(self, synapse: PullTask, *, miner: str) -> PullTask:
        """Answers a pull: the task in hand, a new one, or none during a cooldown."""
        now_s = self._clock()
        synapse.task = None
        if miner not in self._registered:
            synapse.cooldown_until = int(now_s + self._rules.unregistered_cooldown_s)
            self._write("unregistered", miner, Standing())
            return synapse
        standing = self._standing(miner)
        if now_s < standing.cooldown_until_s:
            standing.violate(self._rules)
            synapse.cooldown_until = standing.cooldown_until_s
            synapse.cooldown_violations = standing.violations
            self._write("violations", miner, standing, cooldown_until_s=standing.cooldown_until_s)
            return synapse
        if standing.task is None:
            standing.assign(*self._deck.deal(), now_s=now_s)
            self._write("assigned", miner, standing)
        synapse.task = standing.task
        synapse.validation_threshold = self._rules.score_threshold
        synapse.throttle_period = int(self._rules.throttle_s)
        return synapse

    def refuse(self, miner: str) -> str | None:
        """Why a submit of this hotkey is answered with 403, or None when it may be sent."""
        reason = None
        if miner not in self._registered:
            reason = "this hotkey is not registered"
        elif self._standing(miner).task is None:
            reason = "no task is assigned to this hotkey"
        if reason is not None:
            self._write("refused", miner, Standing(), reason=reason)
        return reason

    async def submit(self, synapse: SubmitResults, *, miner: str) -> SubmitResults:
        """Answers a submit. The reply carries neither the results nor the signature back."""
        results, signature = synapse.results, synapse.signature
        synapse.results = synapse.signature = ""
        standing = self._standing(miner)
        task = standing.task
        if task is None or _named_task(synapse) != task.id:
            return self._answer(synapse, miner, "ignored", reason="wrong task")
        if not self._is_signed(signature, synapse.submit_time, task.prompt, miner):
            return self._answer(synapse, miner, "bad_signatures", settles=True, penalised=True)
        standing.forgive()
        if results == SKIP:
            return self._answer(synapse, miner, "skipped", settles=True)
        if self._clock() < standing.locked_until_s:
            return self._answer(synapse, miner, "ignored", reason="validation lock")
        standing.locked_until_s = self._clock() + self._rules.validation_lock_s
        return await self._judge(synapse, miner, task, results)

    async def _judge(self, synapse: SubmitResults, miner: str, task: Task, results: str) -> SubmitResults:
        asset = _decode(results) if _is_announced_as_spz(synapse) else b""
        digest = hashlib.sha256(asset).hexdigest() if asset else None
        fault = None
        score = 0.0
        try:
            score = await self._scorer.score(task, results) if asset else 0.0
        except PeerError as error:
            fault = error.message
        standing = self._standing(miner)
        if standing.task != task or self._clock() < standing.guard_until_s:
            # Sent again while the first was still being scored: a task is settled only once.
            return self._answer(synapse, miner, "duplicate", task_id=task.id, results_sha256=digest)
        if fault is not None:
            return self._answer(synapse, miner, "failed", settles=True, reason=fault, results_sha256=digest)
        if score < self._rules.score_threshold:
            return self._answer(
                synapse, miner, "rejected", settles=True, penalised=True, score=score, results_sha256=digest
            )
        return self._answer(
            synapse, miner, "accepted", settles=True, score=min(1.0, score), results_sha256=digest
        )

    def _answer(
        self,
        synapse: SubmitResults,
        miner: str,
        kind: Kind,
        *,
        settles: bool = False,
        penalised: bool = False,
        **facts: Any,
    ) -> SubmitResults:
        now_s = self._clock()
        standing = self._standing(miner)
        before = standing.model_copy()
        if kind == "accepted":
            standing.accept(self._rules, facts["score"], now_s=now_s)
            if self._duels is not None and before.task is not None:
                standing.rating = self._duels.fight(standing.rating, before.task, facts["score"])
            facts["duel_rating"] = standing.rating.mean
        elif settles:
            standing.settle(self._rules, now_s=now_s, penalised=penalised)
        # On disk first: what the miner is told must survive a crash of this validator.
        self._write(kind, miner, before, **{"cooldown_until_s": standing.cooldown_until_s, **facts})
        synapse.feedback = standing.feedback(
            self._rules,
            now_s=now_s,
            score=facts["score"] if kind == "accepted" else 0.0,
            fault=kind == "failed",
        )
        synapse.cooldown_until = standing.cooldown_until_s
        return synapse

    def _write(self, kind: Kind, miner: str, standing: Standing, **facts: Any) -> None:
        known = {
            "task_id": standing.task.id if standing.task else None,
            "title": standing.title[:MAX_TITLE_CHARS] or None,
            "assigned_at_s": standing.assigned_at_s or None,
        }
        entry = Entry(at_s=self._clock(), miner=miner[:MAX_HOTKEY_CHARS], **{**known, **facts})
        self._page.add(kind, entry)
        self._ledger.write(self._page)
        shown = entry.model_dump(exclude_none=True, exclude={"at_s", "assigned_at_s", "results_sha256"})
        self._log.info(kind, **shown)

    def _standing(self, miner: str) -> Standing:
        return self._page.miners.setdefault(miner, Standing())

    def _is_signed(self, signature: str, submit_time_ns: int, prompt: str, miner: str) -> bool:
        message = submit_message(
            submit_time_ns=submit_time_ns, prompt=prompt, validator_hotkey=self.hotkey, miner_hotkey=miner
        )
        try:
            signed = base64.b64decode(signature, validate=True)
            return bool(bt.Keypair(ss58_address=miner).verify(message, signed))
        except (binascii.Error, ValueError, TypeError):
            return False


def _named_task(synapse: SubmitResults) -> str:
    """The task a submit is for. Older miners send the whole task instead of its id."""
    return synapse.task_id or (synapse.task.id if synapse.task else "")


def _is_announced_as_spz(synapse: SubmitResults) -> bool:
    announced = (synapse.data_format, synapse.data_ver, synapse.compression)
    return announced == (DATA_FORMAT, DATA_VERSION, COMPRESSION_SPZ)


def _decode(results: str) -> bytes:
    """The asset's bytes; empty when they aren't base64, which is as good as no asset."""
    try:
        return base64.b64decode(results, validate=True)
    except (binascii.Error, ValueError):
        return b""
