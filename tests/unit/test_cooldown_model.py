"""The miner's cooldown arithmetic against the local subnet's own: any sequence of calls, delays and clocks.

Three clocks: true time, ours and the validator's. Bounds that the protocol itself needs: a validator's clock
does not step while a cooldown runs, ours does not step while the miner is down, and a step of ours is greater
than the slowest reply: a smaller one can't be told from a slow reply.
"""

from __future__ import annotations

import json
import logging
import random
from typing import Any

import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from peers import MINER, key, neuron

from subnet17.errors import PeerError, PeerTimeoutError
from subnet17.localnet.ledger import Page
from subnet17.localnet.rules import Rules
from subnet17.localnet.tasks import TaskDeck
from subnet17.localnet.validator import Validator
from subnet17.mining.clock import Clock
from subnet17.mining.feedback import Prices, Verdict, read_verdict
from subnet17.mining.protocol import PullTask, SubmitResults, Task, sign_submit
from subnet17.mining.validators import Roster

MARGIN_S = 2.0
PULL_INTERVAL_S = 10.0
MAX_WAY_S = 5.0
MAX_JUDGING_S = 20.0
DATE_S = 1.0
"""What a Date header leaves out."""
LEAST_STEP_S = 2 * MAX_WAY_S + MAX_JUDGING_S + 2 * DATE_S
ROUNDING_S = 1e-3
VERDICTS = {
    "good": Verdict.ACCEPTED,
    "poor": Verdict.REJECTED,
    "forged": Verdict.REJECTED,
    "fault": Verdict.VALIDATOR_FAULT,
    "skip": Verdict.SKIP_OR_DUPLICATE,
}

ways = st.floats(0.001, 0.5) | st.floats(0.5, MAX_WAY_S)
steps = st.floats(LEAST_STEP_S, 3600) | st.floats(-3600, -LEAST_STEP_S)


class Cooldowns(RuleBasedStateMachine):
    """One validator, one miner that asks as soon as its roster lets it."""

    @initialize(ours_s=st.floats(-3600, 3600), theirs_s=st.floats(-86_400, 86_400), at_arrival=st.booleans())
    def start(self, ours_s: float, theirs_s: float, at_arrival: bool) -> None:
        """
        Args:
            at_arrival: This validator's server stamps Date when a request comes, not when it answers.
        """
        self.now_s = 1_700_000_000.0
        self.ours_s, self.theirs_s, self.monotonic_s = ours_s, theirs_s, -1.6e9
        self.at_arrival = at_arrival
        self.task: Task | None = None
        self.blur_s = 0.0
        self.kind, self.judging_s = "good", 0.0
        self.page = Page(uid=0, hotkey=neuron().hotkey)
        self.validator = Validator(
            self.page,
            registered={MINER.ss58_address},
            rules=Rules(),
            deck=TaskDeck(["a chair", "a cup"], [], image_share=0.0, rng=random.Random(1)),
            scorer=self,
            ledger=self,
            clock=lambda: self.now_s + self.theirs_s,
        )
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.open_roster({})

    def teardown(self) -> None:
        structlog.reset_defaults()

    def open_roster(self, rows: dict[str, Any]) -> None:
        clock = Clock(
            wall_s=lambda: self.now_s + self.ours_s, monotonic_s=lambda: self.now_s + self.monotonic_s
        )
        self.roster = Roster(margin_s=MARGIN_S, prices=Prices(), clock=clock, rng=random.Random(1))
        self.roster.restore(rows)
        self.roster.update((neuron(),))
        (self.state,) = self.roster.listed
        self.row: dict[str, Any] | None = None

    def write(self, page: Page) -> None:
        """The validator keeps its ledger in memory."""

    async def score(self, *_: object) -> float:
        self.now_s += self.judging_s
        if self.kind == "fault":
            raise PeerError("no verdict")
        return 0.9 if self.kind == "good" else 0.3

    @rule(pause_s=st.floats(0, 1000))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s

    @rule(seconds=steps)
    def our_clock_steps(self, seconds: float) -> None:
        self.ours_s += seconds
        self.row = None

    @precondition(lambda self: self.task is None)
    @rule(there_s=ways, back_s=ways, arrives=st.sampled_from([True, True, True, False]))
    def pull(self, there_s: float, back_s: float, arrives: bool) -> None:
        self.now_s = max(self.now_s, self.state.ready_s - self.monotonic_s + 1e-6)
        assert self.roster.next_ready() is self.state
        self.now_s += there_s
        stamped_s = self.validator_s()
        answer = self.validator.pull(PullTask(), miner=MINER.ss58_address)
        assert "violations" not in self.page.counts
        if not arrives:
            self.now_s += 12.0
            self.roster.fail(self.state, PeerTimeoutError("no answer"))
            assert self.left_s() >= Prices.pull_timeout_wait_s
        else:
            self.receive(stamped_s, back_s, elapsed_s=there_s + back_s)
            self.task = answer.task
            if answer.task is None:
                self.cool_down(answer.cooldown_until, at_least_s=PULL_INTERVAL_S)
        self.row = self.roster.row_of(self.state)

    @precondition(lambda self: self.task is not None)
    @rule(
        kind=st.sampled_from(list(VERDICTS)),
        there_s=ways,
        judging_s=st.floats(0, MAX_JUDGING_S),
        back_s=ways,
    )
    def submit(self, kind: str, there_s: float, judging_s: float, back_s: float) -> None:
        assert self.task is not None
        sent_s = self.now_s
        self.kind, self.judging_s = kind, judging_s
        signer = MINER if kind != "forged" else key("Somebody")
        self.now_s += there_s
        stamped_s = self.validator_s()
        answer = finish(
            self.validator.submit(
                SubmitResults(
                    task_id=self.task.id,
                    results="" if kind == "skip" else "AAAA",
                    submit_time=1,
                    signature=sign_submit(
                        signer, submit_time_ns=1, prompt=self.task.prompt, validator_hotkey=self.page.hotkey
                    ).replace(" ", ""),
                ),
                miner=MINER.ss58_address,
            )
        )
        if not self.at_arrival:
            stamped_s = self.validator_s()
        self.receive(stamped_s, back_s, elapsed_s=self.now_s + back_s - sent_s)
        now_s = self.roster.validator_now_s(self.state)
        assert read_verdict(answer, validator_now_s=now_s, prices=Prices()) is VERDICTS[kind]
        self.cool_down(answer.cooldown_until)
        self.task = None
        self.row = self.roster.row_of(self.state)

    @precondition(lambda self: self.row is not None and self.task is None)
    @rule(down_s=st.floats(0, 1000), monotonic_s=st.floats(-1.7e9, 0))
    def restart(self, down_s: float, monotonic_s: float) -> None:
        left_s = self.left_s()
        self.monotonic_s = monotonic_s
        self.open_roster({self.page.hotkey: json.loads(json.dumps(self.row))})
        assert abs(self.left_s() - max(0.0, left_s)) < ROUNDING_S
        self.now_s += down_s

    def validator_s(self) -> float:
        return self.now_s + self.theirs_s

    def left_s(self) -> float:
        """Until the roster lets us pull."""
        return self.state.ready_s - self.monotonic_s - self.now_s

    def receive(self, stamped_s: float, back_s: float, *, elapsed_s: float) -> None:
        """A reply arrives, with a Date of whole seconds."""
        self.now_s += back_s
        skew_s = int(stamped_s) - (self.now_s + self.ours_s)
        self.roster.note_reply(self.state, skew_s=skew_s, elapsed_s=elapsed_s)
        if self.state.skew_s == skew_s:
            self.blur_s = elapsed_s + DATE_S

    def cool_down(self, until_s: int, *, at_least_s: float = 0.0) -> None:
        """Never before the validator's word, never later than the margin and its clock's blur ask for."""
        before_s = self.left_s()
        self.roster.cool_down(self.state, until_s, at_least_s=at_least_s)
        needed_s = until_s - self.validator_s()
        assert self.left_s() >= needed_s
        latest_s = needed_s + MARGIN_S + self.blur_s
        assert self.left_s() <= max(before_s, latest_s, at_least_s, 0.0) + ROUNDING_S


def finish(coroutine: Any) -> Any:
    """The result of a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


TestCooldowns = Cooldowns.TestCase
TestCooldowns.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
