"""The circuit breaker against a plain model of its rules, over any sequence of calls and pauses."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from subnet17.errors import UnavailableError
from subnet17.serving.breaker import FAILURE_SHARE, OPEN_S, WINDOW, CircuitBreaker


class BreakerModel(RuleBasedStateMachine):
    """The rules again, written as lists: what was admitted, what ended how, when it opened."""

    @initialize(min_failures=st.integers(1, 30))
    def start(self, min_failures: int) -> None:
        self.now_s = 0.0
        self.min_failures = min_failures
        self.breaker = CircuitBreaker(min_failures=min_failures, clock=lambda: self.now_s)
        self.outcomes: list[bool] = []
        self.opened_s: float | None = None
        self.probing = False
        self.running = 0

    @property
    def expected(self) -> str:
        if self.opened_s is None:
            return "closed"
        return "half_open" if self.now_s - self.opened_s >= OPEN_S else "open"

    @rule(pause_s=st.floats(0, 2 * OPEN_S))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s

    @rule()
    def call(self) -> None:
        if self.expected == "closed" or (self.expected == "half_open" and not self.probing):
            self.breaker.admit()
            self.probing = self.expected == "half_open"
            self.running += 1
        else:
            with pytest.raises(UnavailableError) as caught:
                self.breaker.admit()
            assert caught.value.detail["retry_after_s"] >= 1

    @precondition(lambda self: self.running)
    @rule()
    def end_well(self) -> None:
        self.running -= 1
        self.breaker.succeed()
        if self.opened_s is not None and not self.probing:
            return  # from before it opened
        if self.probing:
            self.outcomes = []
        self.outcomes.append(True)
        self.probing, self.opened_s = False, None

    @precondition(lambda self: self.running)
    @rule()
    def end_badly(self) -> None:
        self.running -= 1
        self.breaker.fail()
        self.outcomes.append(False)
        window = self.outcomes[-max(WINDOW, self.min_failures) :]
        failures = window.count(False)
        if self.probing or (failures >= self.min_failures and failures >= FAILURE_SHARE * len(window)):
            self.opened_s = self.now_s
        self.probing = False

    @precondition(lambda self: self.running)
    @rule()
    def end_unsaid(self) -> None:
        self.running -= 1
        self.breaker.release()
        self.probing = False

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "breaker"):
            return
        assert self.breaker.state == self.expected
        assert self.breaker.retry_after_s >= 1
        if self.expected == "open":
            assert self.breaker.retry_after_s <= OPEN_S + 1


TestBreaker = BreakerModel.TestCase
TestBreaker.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
