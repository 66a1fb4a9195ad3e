"""The row that keeps a validator over restarts."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as some
from peers import HeldClock, key, neuron

from subnet17.errors import PeerError, PeerTimeoutError
from subnet17.mining.book import MAX_COOLDOWN_S, ValidatorState
from subnet17.mining.clock import Clock
from subnet17.mining.feedback import Prices
from subnet17.mining.protocol import Feedback
from subnet17.mining.validators import Roster

HOTKEY = key("Validator0").ss58_address


def start(clock: Clock, rows: dict[str, Any] | None = None, *, listed: bool = True) -> Roster:
    """A miner's roster after a start with these rows."""
    roster = Roster(margin_s=2.0, prices=Prices(), clock=clock, rng=random.Random(1))
    roster.restore(rows or {})
    roster.update((neuron(),) if listed else ())
    return roster


def restarted(roster: Roster, clock: HeldClock, *, down_s: float) -> tuple[Roster, Clock]:
    """The roster of a new process, whose monotonic clock began anew, from what was written to disk."""
    rows = json.loads(json.dumps(roster.take_changed(), allow_nan=False))
    wall_s = clock.now_s + down_s
    later = Clock(wall_s=lambda: wall_s, monotonic_s=lambda: 77.0)
    return start(later, rows), later


def test_a_restart_forgets_no_cooldown() -> None:
    clock = HeldClock()
    roster = start(clock)
    roster.note_reply(roster.get(HOTKEY), skew_s=3600.0, elapsed_s=0.1)
    roster.cool_down(roster.get(HOTKEY), int(clock.now_s) + 3600 + 300)
    again, later = restarted(roster, clock, down_s=100.0)
    state = again.get(HOTKEY)
    assert state.ready_s - later.monotonic_s() == pytest.approx(202.0)
    assert state.skew_s == 3600.0
    assert again.next_ready() is None


def test_a_restart_forgets_no_rest_after_a_pull_that_timed_out() -> None:
    clock = HeldClock()
    roster = start(clock)
    rest_s = roster.fail(roster.get(HOTKEY), PeerTimeoutError("no answer"))
    again, later = restarted(roster, clock, down_s=10.0)
    assert again.get(HOTKEY).ready_s - later.monotonic_s() == pytest.approx(rest_s - 10.0)


def test_a_restart_forgets_no_ejection_and_its_window_goes_on_growing() -> None:
    clock = HeldClock()
    roster = start(clock)
    for _ in range(5):
        roster.fail(roster.get(HOTKEY), PeerError("HTTP 500", status=500))
    again, _ = restarted(roster, clock, down_s=0.0)
    assert "ejected after 5" in again.get(HOTKEY).away
    assert again.next_ready() is None
    assert again.fail(again.get(HOTKEY), PeerError("HTTP 500", status=500)) > 850.0


def test_what_was_earned_and_learned_survives() -> None:
    clock = HeldClock()
    roster = start(clock)
    state = roster.get(HOTKEY)
    state.violations, state.version, state.validation_version = 3, 17, "2.1.0"
    told = Feedback(task_fidelity_score=0.8, current_miner_reward=9.5, current_duel_rating=1600.0)
    roster.note_verdict(state, "accepted", feedback=told, local_score=0.75)
    for elapsed_s, judged in ((0.1, False), (60.0, True), (0.3, False), (0.2, False), (90.0, True)):
        roster.note_reply(state, skew_s=None, elapsed_s=elapsed_s, judged=judged)
    again, later = restarted(roster, clock, down_s=0.0)
    before, after = state.as_json(clock.now_s), again.get(HOTKEY).as_json(later.monotonic_s())
    assert after == before
    assert (after["accepted"], after["last_reward"]) == (1, 9.5)
    assert (after["pull_s"], after["slowest_submit_s"]) == (0.2, 90.0)


def test_a_validator_that_is_not_on_the_chain_now_is_still_known_but_not_asked() -> None:
    clock = HeldClock()
    roster = start(clock)
    roster.rest(roster.get(HOTKEY), 0.0)
    again = start(clock, roster.take_changed(), listed=False)
    assert again.get(HOTKEY).neuron == neuron()
    assert again.next_ready() is None


def test_changed_rows_are_handed_out_once() -> None:
    roster = start(HeldClock())
    roster.rest(roster.get(HOTKEY), 5.0)
    assert set(roster.take_changed()) == {HOTKEY}
    assert roster.take_changed() == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failures", -1),
        ("failures", "many"),
        ("skew_s", math.nan),
        ("skew_s", 1e300),
        ("counts", {"pulls": "x"}),
        ("pull_times_s", [None]),
        ("last_error", 5),
        ("violations", True),
    ],
)
def test_an_odd_field_costs_only_itself_and_is_told(field: str, value: Any) -> None:
    clock = HeldClock()
    roster = start(clock)
    roster.cool_down(roster.get(HOTKEY), int(clock.now_s) + 300)
    row = roster.row_of(roster.get(HOTKEY)) | {field: value}
    with structlog.testing.capture_logs() as lines:
        again = start(clock, {HOTKEY: row})
    assert [line["fields"] for line in lines if "odd fields" in line["event"]] == [field]
    assert again.get(HOTKEY).ready_s == pytest.approx(clock.now_s + 302)


@pytest.mark.parametrize("row", [{}, {"ready_at_s": "tomorrow"}, {"ready_at_s": None, "neuron": 5}])
def test_a_row_that_does_not_tell_when_means_one_cooldown(row: dict[str, Any]) -> None:
    clock = HeldClock()
    with structlog.testing.capture_logs() as lines:
        state = start(clock, {HOTKEY: row}).get(HOTKEY)
    assert state.ready_s == clock.now_s + Prices().cooldown_s
    assert any("odd fields" in line["event"] for line in lines)


def test_a_rest_ends_within_a_day_whatever_our_clock_was_when_it_was_written() -> None:
    clock = HeldClock()
    state = start(clock, {HOTKEY: {"ready_at_s": 1e18}}).get(HOTKEY)
    assert state.ready_s == clock.now_s + MAX_COOLDOWN_S


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    some.dictionaries(some.sampled_from(sorted(ValidatorState(neuron()).as_row(Clock()))), JSON, max_size=6)
)
def test_no_row_stops_a_start(row: dict[str, Any]) -> None:
    clock = HeldClock()
    roster = start(clock, {HOTKEY: row})
    state = roster.get(HOTKEY)
    assert clock.now_s <= state.ready_s <= clock.now_s + MAX_COOLDOWN_S
    json.dumps(state.as_json(clock.now_s), allow_nan=False)
    json.dumps(roster.row_of(state), allow_nan=False)
