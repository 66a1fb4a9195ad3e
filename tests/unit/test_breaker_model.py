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
        self.running: list[bool] = []
        """Of each call that has not ended: whether it is the probe."""

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
            is_probe = self.breaker.admit()
            assert is_probe == (self.expected == "half_open")
            self.probing = self.probing or is_probe
            self.running.append(is_probe)
        else:
            with pytest.raises(UnavailableError) as caught:
                self.breaker.admit()
            assert caught.value.detail["retry_after_s"] >= 1

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_well(self, data: st.DataObject) -> None:
        is_probe = self.end_one(data)
        self.breaker.succeed(probe=is_probe)
        if self.opened_s is not None and not is_probe:
            return  # from before it opened
        if is_probe:
            self.outcomes, self.opened_s = [], None
        self.outcomes.append(True)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_badly(self, data: st.DataObject) -> None:
        is_probe = self.end_one(data)
        self.breaker.fail(probe=is_probe)
        self.outcomes.append(False)
        window = self.outcomes[-max(WINDOW, self.min_failures) :]
        failures = window.count(False)
        if is_probe or (failures >= self.min_failures and failures >= FAILURE_SHARE * len(window)):
            self.opened_s = self.now_s

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_unsaid(self, data: st.DataObject) -> None:
        self.breaker.release(probe=self.end_one(data))

    def end_one(self, data: st.DataObject) -> bool:
        """Ends any of the calls; whether it was the probe."""
        is_probe = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.probing = self.probing and not is_probe
        return is_probe

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
