"""Whom the miner asks next, and who has to wait.

Covers: cooldowns on the validator's own clock, one pull or task in hand each, what a reply, a failure and a
verdict change, the block and allow lists, the stop when we are not registered. Does not cover: what is known
of one validator (book.py), how long it rests after failures (rests.py), how the next one is weighed
(choice.py).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from subnet17.errors import PeerReplyError, PeerTimeoutError, S17Error
from subnet17.log import get_logger
from subnet17.mining.acceptance import Acceptance
from subnet17.mining.book import MAX_COOLDOWN_S, MAX_SKEW_S, ValidatorState, neuron_in
from subnet17.mining.chain import Neuron
from subnet17.mining.choice import Chooser, Prospect, choose
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.feedback import UNPAID, Prices
from subnet17.mining.protocol import OWNER_HOTKEY, Feedback
from subnet17.mining.rests import Rests

log = get_logger()

SKEW_WARNING_S = 10.0
"""A difference worth telling; nonces follow the validator's clock all the same."""
QUICK_REPLY_S = 2.0
"""A reply that took longer says little of its clock: some servers stamp Date when a request arrives."""
UNPAID_IN_A_ROW = 5
"""Results without a reward or a rejection before a validator is set aside: half an hour of its tasks."""
DATE_S = 1.0
"""Up to so much is cut off a Date."""


@dataclass(frozen=True)
class RosterRules:
    """What the operator decides.

    Attributes:
        blocked: Hotkeys that are never pulled.
        allowed: Nobody else is pulled, unless empty.
        eject_after: Failures in a row.
    """

    blocked: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    eject_after: int = 5

    def permit(self, hotkey: str) -> bool:
        """Whether a validator may be pulled."""
        return hotkey not in self.blocked and (not self.allowed or hotkey in self.allowed)


class Roster:
    """All validators and the order among them.

    Args:
        margin_s: Waited beyond a cooldown.
        prices: The subnet's time constants.
        acceptance: What validators accept; whoever feeds it does so before `note_verdict`.
        chooser: Whom to ask of those that are ready.
    """

    def __init__(
        self,
        *,
        margin_s: float,
        prices: Prices,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        rules: RosterRules | None = None,
        acceptance: Acceptance | None = None,
        chooser: Chooser = choose,
    ) -> None:
        self.rules = rules or RosterRules()
        self._margin_s = margin_s
        self._prices = prices
        self._clock = clock
        self._acceptance = acceptance or Acceptance()
        self._choose = chooser
        self._rng = rng or random.Random()
        self._rests = Rests(prices, self._rng)
        self._seed = self._rng.getrandbits(32)
        self._states: dict[str, ValidatorState] = {}
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._changed: set[str] = set()
        self._listed: dict[str, None] = {}  # in the chain's order: a set's differs from run to run
        self._strangers: frozenset[str] = frozenset()
        self._turn = 0
        self._answered_s = -math.inf
        self._stopped_until_s = 0.0

    def __iter__(self) -> Iterator[ValidatorState]:
        return iter(self._states.values())

    def get(self, hotkey: str) -> ValidatorState:
        """The state of a validator that was listed once, in this run or an earlier one."""
        return self._states[hotkey]

    @property
    def listed(self) -> list[ValidatorState]:
        """The validators of the last update that the settings permit."""
        return [self._states[hotkey] for hotkey in self._listed if not self._states[hotkey].blocked]

    def restore(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes what an earlier run knew. Nobody is listed by it: the chain says who is there."""
        self._rows = dict(rows)
        for hotkey, row in rows.items():
            neuron = neuron_in(row)
            if neuron is not None and neuron.hotkey == hotkey:
                self._states[hotkey] = self._open(neuron)

    def take_changed(self) -> dict[str, dict[str, Any]]:
        """The rows of the validators that changed since the last call, for the disk."""
        changed, self._changed = self._changed, set()
        return {hotkey: self.row_of(self._states[hotkey]) for hotkey in changed}

    def put_back(self, hotkeys: Iterable[str]) -> None:
        """These were not kept after all: they come again with the next `take_changed`."""
        self._changed.update(hotkeys)

    def row_of(self, state: ValidatorState) -> dict[str, Any]:
        """A validator's row as it is now."""
        return state.as_row(self._clock)

    def update(self, neurons: tuple[Neuron, ...]) -> None:
        """Takes the current validators. Those that left keep their state: their cooldowns still hold."""
        for neuron in neurons:
            self.locate(neuron)
        self._listed = dict.fromkeys(n.hotkey for n in neurons)
        self._warn_of_strangers()

    def locate(self, neuron: Neuron) -> ValidatorState:
        """The state of a neuron, at the address that the chain names now. Does not list it."""
        state = self._states.get(neuron.hotkey)
        if state is None:
            state = self._states[neuron.hotkey] = self._open(neuron)
        state.neuron = neuron
        state.blocked = not self.rules.permit(neuron.hotkey)
        return state

    def set_rules(self, rules: RosterRules) -> None:
        """Goes by other decisions of the operator from now on; who is ejected stays so for its time."""
        self.rules = rules
        for hotkey, state in self._states.items():
            state.blocked = not rules.permit(hotkey)
        self._warn_of_strangers()

    def _open(self, neuron: Neuron) -> ValidatorState:
        row = self._rows.pop(neuron.hotkey, None)
        if row is None:
            return ValidatorState(neuron, ready_s=self._clock.monotonic_s())
        rest_s = self._prices.cooldown_s
        return ValidatorState.from_row(row, neuron=neuron, clock=self._clock, unknown_rest_s=rest_s)

    def _warn_of_strangers(self) -> None:
        strangers = (self.rules.blocked | self.rules.allowed) - self._listed.keys()
        if new := strangers - self._strangers:
            log.warning("the settings name hotkeys that are no validators here", hotkeys=sorted(new))
        self._strangers = strangers

    def next_ready(self, *, work_s: float = 30.0) -> ValidatorState | None:
        """Whom to pull from now; None when nobody is ready. The caller sets `busy`.

        Args:
            work_s: How long a task will hold our slot.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._stopped_until_s:
            return None
        ready = {s.neuron.hotkey: s for s in self.listed if not s.busy and s.ready_s <= now_s}
        if not ready:
            return None
        self._turn += 1
        prospects = [self._prospect(state, now_s, work_s) for state in ready.values()]
        choice = self._choose(prospects, self._turn, self._seed)
        for state in ready.values():
            state.passed_over += 1
        chosen = ready[choice.hotkey]
        chosen.passed_over, chosen.chosen_because = 0, choice.reason
        if chosen.aside:
            # Believed to reject everything, it would get nothing submitted, and we would learn nothing.
            self._acceptance.try_again(chosen.neuron.hotkey)
        log.debug("validator chosen", validator=chosen.neuron.uid, reason=choice.reason)
        return chosen

    def _prospect(self, state: ValidatorState, now_s: float, work_s: float) -> Prospect:
        hotkey, prices = state.neuron.hotkey, self._prices
        return Prospect(
            hotkey,
            name=str(state.neuron.uid),
            stake=state.neuron.stake,
            p_accept=self._acceptance.share(hotkey),
            cycle_s=self._acceptance.cycle_s(
                hotkey, cooldown_s=prices.cooldown_s, penalty_s=prices.penalty_s
            ),
            pull_s=state.pull_s,
            success_rate=state.success_rate,
            work_s=work_s,
            is_owner=hotkey == OWNER_HOTKEY,
            ready_for_s=now_s - state.ready_s,
            passed_over=state.passed_over,
        )

    def wait_s(self) -> float:
        """Until somebody may be ready; 1.0 at the most, since tasks in hand may end any time."""
        now_s = self._clock.monotonic_s()
        times = [max(s.ready_s, self._stopped_until_s) - now_s for s in self.listed if not s.busy]
        return min([1.0, *(max(0.01, t) for t in times)])

    def note_reply(
        self, state: ValidatorState, *, skew_s: float | None, elapsed_s: float, judged: bool = False
    ) -> None:
        """A validator answered: its clock and speed, and an end to its failures.

        Args:
            judged: A submit, for which it may have taken long to judge; else a pull.
        """
        self._changed.add(state.neuron.hotkey)
        self._note_skew(state, skew_s, elapsed_s)
        self._answered_s = self._clock.monotonic_s()
        (state.submit_times_s if judged else state.pull_times_s).append(elapsed_s)
        state.note_call(answered=True)
        if state.ejected:
            log.info("validator is back", validator=state.neuron.uid, failures=state.failures)
        state.failures = state.ejections = 0
        state.ejected, state.silent = "", False

    def note_verdict(
        self,
        state: ValidatorState,
        event: str,
        *,
        feedback: Feedback | None,
        local_score: float | None = None,
    ) -> None:
        """A validator judged a submission.

        Args:
            event: What to count: a verdict's name, or "skipped".
            local_score: What we thought of it; None for a skip.
        """
        self._changed.add(state.neuron.hotkey)
        state.count(event)
        if feedback is not None:
            state.note_feedback(feedback, local_score=local_score)
        if event == "accepted" and state.aside:
            log.info("validator accepts again, no longer set aside", validator=state.neuron.uid)
        if event == "accepted":
            state.aside, state.asides, state.unpaid_row = "", 0, 0
            state.paid_s = self._clock.monotonic_s()
        elif event in UNPAID:
            self.note_unpaid(state)
        elif (
            event in {"rejected", "skipped"}
            and (doubt := self._acceptance.doubt(state.neuron.hotkey)).is_set_aside
        ):
            self.set_aside(state, doubt.reason)

    def note_unpaid(self, state: ValidatorState) -> None:
        """A result was neither paid nor rejected: some in a row, while others pay, set a validator aside."""
        now_s = self._clock.monotonic_s()
        if not state.unpaid_row:
            state.unpaid_since_s = now_s
        state.unpaid_row += 1
        others_pay = any(s.paid_s > state.unpaid_since_s for s in self if s is not state)
        if state.unpaid_row >= UNPAID_IN_A_ROW and others_pay:
            self.set_aside(state, f"paid none of the last {state.unpaid_row} results, nor rejected one")

    def note_version(self, state: ValidatorState, version: int, validation_version: str) -> None:
        """A validator told its versions."""
        self._changed.add(state.neuron.hotkey)
        state.version, state.validation_version = version, validation_version

    def validator_now_s(self, state: ValidatorState) -> float:
        """Unix seconds on the validator's clock."""
        return self._clock.wall_s() + state.skew_s

    def cool_down(self, state: ValidatorState, until_s: int, *, at_least_s: float = 0.0) -> None:
        """No pull before a time on the validator's clock plus the margin."""
        state.cooldown_until_s = until_s
        left_s = until_s - self.validator_now_s(state)
        if left_s > MAX_COOLDOWN_S:
            log.warning("absurd cooldown, shortened", validator=state.neuron.uid, left_s=round(left_s))
        wait_s = min(left_s, MAX_COOLDOWN_S) + self._margin_s if left_s > 0 else 0.0
        self.rest(state, max(wait_s, at_least_s))

    def rest(self, state: ValidatorState, seconds: float) -> None:
        """No pull for so long, nor before an earlier promise."""
        self._changed.add(state.neuron.hotkey)
        state.ready_s = max(state.ready_s, self._clock.monotonic_s() + seconds)

    def fail(self, state: ValidatorState, error: S17Error) -> float:
        """A call failed: rests double from failure to failure, then the validator is ejected.

        An ejected validator gets one probe when its window ends. An answer brings it back; another failure
        doubles the window.

        Returns:
            The rest in seconds.
        """
        state.failures += 1
        silent = "status" not in error.detail and not isinstance(error, PeerReplyError)
        if silent and not state.silent:
            state.silent_since_s = self._clock.monotonic_s()
        state.silent = silent
        state.last_error = error.message
        state.count("errors")
        state.note_call(answered=False)
        self._note_skew(state, error.detail.get("skew_s"), error.detail.get("elapsed_s", 0.0))
        rest_s = self._rests.after_failure(
            state, eject_after=self.rules.eject_after, is_trouble_ours=self._is_trouble_ours(state)
        )
        if isinstance(error, PeerTimeoutError):
            rest_s = max(rest_s, self._prices.pull_timeout_wait_s)
        self.rest(state, rest_s)
        return rest_s

    def _is_trouble_ours(self, state: ValidatorState) -> bool:
        """Whether most validators are silent and none has answered since this one fell silent."""
        listed = self.listed
        most = 2 * sum(s.silent for s in listed) > len(listed)
        return most and state.silent and self._answered_s <= state.silent_since_s

    def set_aside(self, state: ValidatorState, why: str) -> float:
        """No task for a growing time from a validator whose judgement can't be trusted; then one probe.

        Returns:
            The rest in seconds.
        """
        rest_s = self._rests.aside(state, why)
        self.rest(state, rest_s)
        return rest_s

    def rest_as_stranger(self, state: ValidatorState) -> float:
        """A rest from a validator that does not know our hotkey; it keeps no cooldown of a stranger.

        Returns:
            The rest in seconds.
        """
        rest_s = self._rests.as_stranger()
        self.rest(state, rest_s)
        return rest_s

    def stop_all(self, seconds: float) -> None:
        """Nobody is pulled for so long: we are not registered."""
        self._stopped_until_s = self._clock.monotonic_s() + seconds

    def resume_all(self) -> None:
        """Ends `stop_all`: we are registered after all."""
        self._stopped_until_s = 0.0

    @property
    def stopped_s(self) -> float:
        """How long nobody will be pulled."""
        return max(0.0, self._stopped_until_s - self._clock.monotonic_s())

    def _note_skew(self, state: ValidatorState, skew_s: float | None, elapsed_s: float) -> None:
        if skew_s is None:
            return
        slow = elapsed_s > max(QUICK_REPLY_S, state.skew_from_reply_s)
        if slow and skew_s <= state.skew_s <= skew_s + elapsed_s + DATE_S:  # else one of the clocks was set
            return
        if abs(state.skew_s) <= SKEW_WARNING_S < abs(skew_s):
            log.warning("clocks differ, check NTP", validator=state.neuron.uid, skew_s=round(skew_s, 1))
        state.skew_s = min(max(skew_s, -MAX_SKEW_S), MAX_SKEW_S)
        state.skew_from_reply_s = elapsed_s
