"""The roster: whom to ask next, and when."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import structlog
from peers import HeldClock, neuron

from subnet17.errors import PeerError, PeerTimeoutError
from subnet17.mining.chain import Neuron
from subnet17.mining.feedback import Prices
from subnet17.mining.protocol import OWNER_HOTKEY
from subnet17.mining.validators import MAX_COOLDOWN_S, MAX_REST_S, Roster, ValidatorState


def make_roster(clock: HeldClock, *neurons: Neuron) -> Roster:
    roster = Roster(margin_s=2.0, prices=Prices(), clock=clock, rng=random.Random(1))
    roster.update(neurons or (neuron(),))
    return roster


def only(roster: Roster) -> ValidatorState:
    (state,) = roster.listed
    return state


def test_a_cooldown_is_waited_out_on_the_validators_clock() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    state = only(roster)
    roster.note_reply(state, skew_s=-100.0, elapsed_s=0.1)  # its clock is behind ours: the wait is longer
    until_s = int(clock.now_s) - 100 + 300
    roster.cool_down(state, until_s)
    clock.now_s += 301.9
    assert roster.next_ready() is None
    clock.now_s += 0.2
    assert roster.next_ready() is state


def test_a_busy_validator_is_not_pulled() -> None:
    roster = make_roster(HeldClock())
    only(roster).busy = True
    assert roster.next_ready() is None


def test_a_pull_that_timed_out_costs_300_seconds_at_the_least() -> None:
    roster = make_roster(HeldClock())
    assert roster.fail(only(roster), PeerTimeoutError("no answer")) >= 300.0


def test_rests_grow_with_jitter_up_to_a_limit_and_end_with_a_success() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    state = only(roster)
    rests = [roster.fail(state, PeerError("HTTP 500")) for _ in range(12)]
    assert all(rest > 7.0 for rest in rests)
    assert rests[:6] == sorted(rests[:6])
    assert max(rests) <= MAX_REST_S * 1.25
    assert len({round(rest, 6) for rest in rests[-4:]}) == 4
    roster.note_reply(state, skew_s=0.0, elapsed_s=0.1)
    assert roster.fail(state, PeerError("HTTP 500")) < 20.0


def test_nobody_starves_and_more_stake_is_served_more_often() -> None:
    clock = HeldClock()
    names = [f"Validator{i}" for i in range(4)]
    stakes = [1_000.0, 1_000.0, 1_000.0, 500_000.0]
    pairs = enumerate(zip(names, stakes, strict=True))
    roster = make_roster(clock, *(neuron(name=n, uid=i, stake=s) for i, (n, s) in pairs))
    served: Counter[int] = Counter()
    for _ in range(400):
        clock.now_s += 1.0
        state = roster.next_ready()
        assert state is not None
        served[state.neuron.uid] += 1
        roster.rest(state, 0.5)
    assert min(served.values()) >= 70
    assert served[3] == max(served.values())


def test_the_owners_validator_goes_first_on_every_fifth_turn() -> None:
    clock = HeldClock()
    owner = Neuron(uid=9, hotkey=OWNER_HOTKEY, ip="127.0.0.1", port=1, stake=1000.0, is_serving=True)
    rich = neuron(stake=1e6)
    roster = make_roster(clock, owner, rich)
    picks = []
    for _ in range(10):
        roster.get(rich.hotkey).ready_s -= 1e6  # always the more urgent one
        state = roster.next_ready()
        assert state is not None
        picks.append(state.neuron.uid)
    assert picks == [0, 0, 0, 0, 9] * 2


def test_a_validator_that_leaves_and_returns_keeps_its_cooldown() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    roster.cool_down(only(roster), int(clock.now_s) + 300)
    roster.update(())
    assert roster.next_ready() is None
    roster.update((neuron(port=9000),))
    assert roster.next_ready() is None
    clock.now_s += 303
    ready = roster.next_ready()
    assert ready is not None
    assert ready.neuron.port == 9000


def test_an_absurd_cooldown_ends_within_a_day() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    roster.cool_down(only(roster), 2**62)
    clock.now_s += MAX_COOLDOWN_S + 3
    assert roster.next_ready() is not None


def test_an_earlier_promise_is_not_shortened() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    roster.cool_down(only(roster), int(clock.now_s) + 300)
    roster.cool_down(only(roster), 0)
    assert roster.next_ready() is None


def test_stop_all_stops_everybody_until_resumed() -> None:
    clock = HeldClock()
    roster = make_roster(clock, neuron(), neuron(name="Validator1", uid=1))
    roster.stop_all(3600)
    assert roster.next_ready() is None
    roster.resume_all()
    assert roster.next_ready() is not None


@pytest.mark.parametrize("ready_in_s", [-5.0, 0.3, 100.0])
def test_waits_are_short_enough_to_notice_changes_and_never_zero(ready_in_s: float) -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    only(roster).ready_s = clock.now_s + ready_in_s
    assert 0.01 <= roster.wait_s() <= 1.0


def test_a_slow_reply_does_not_move_a_clock_that_a_quick_one_told() -> None:
    roster = make_roster(HeldClock())
    state = only(roster)
    roster.note_reply(state, skew_s=-0.3, elapsed_s=0.2)
    roster.note_reply(state, skew_s=-40.0, elapsed_s=40.0)  # Date was stamped when the request arrived
    assert state.skew_s == -0.3
    roster.note_reply(state, skew_s=0.1, elapsed_s=0.4)
    assert state.skew_s == 0.1


@pytest.mark.parametrize(("skew_s", "warnings"), [(-25.0, 1), (0.4, 0), (None, 0)])
def test_a_refusal_by_a_validator_whose_clock_differs_says_so(skew_s: float | None, warnings: int) -> None:
    roster = make_roster(HeldClock())
    with structlog.testing.capture_logs() as lines:
        roster.fail(only(roster), PeerError("HTTP 401 nonce is too old", status=401, skew_s=skew_s))
    assert sum("NTP" in line["event"] for line in lines) == warnings
