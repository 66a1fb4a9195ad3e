"""The roster: whom to ask next, and when."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import structlog
from peers import HeldClock, key, neuron

from subnet17.errors import PeerError, PeerTimeoutError
from subnet17.mining.acceptance import Acceptance, Outcome
from subnet17.mining.book import MAX_COOLDOWN_S, ValidatorState
from subnet17.mining.chain import Neuron
from subnet17.mining.feedback import Prices
from subnet17.mining.protocol import OWNER_HOTKEY, Feedback
from subnet17.mining.rests import FIRST_ASIDE_S, FIRST_EJECTION_S, MAX_EJECTION_S, OUR_TROUBLE_REST_S
from subnet17.mining.validators import Roster, RosterRules

HTTP_500 = PeerError("HTTP 500", status=500)


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


def fail_often(roster: Roster, state: ValidatorState, times: int, error: PeerError = HTTP_500) -> list[float]:
    return [roster.fail(state, error) for _ in range(times)]


def test_rests_double_with_jitter_until_an_answer_comes() -> None:
    roster = make_roster(HeldClock())
    state = only(roster)
    rests = fail_often(roster, state, 4)
    assert all(11.0 < rest / 2**n < 19.0 for n, rest in enumerate(rests))
    assert len({rest / 2**n for n, rest in enumerate(rests)}) == 4
    roster.note_reply(state, skew_s=0.0, elapsed_s=0.1)
    assert roster.fail(state, HTTP_500) < 20.0


def test_failures_in_a_row_eject_with_growing_jittered_windows_up_to_a_limit() -> None:
    roster = make_roster(HeldClock())
    state = only(roster)
    fail_often(roster, state, 4)
    assert not state.away
    windows = fail_often(roster, state, 9)
    assert state.away == "ejected after 13 failures in a row: HTTP 500"
    assert windows[0] == pytest.approx(FIRST_EJECTION_S, rel=0.26)
    assert windows[3] == pytest.approx(8 * FIRST_EJECTION_S, rel=0.26)
    assert FIRST_EJECTION_S < max(windows) <= MAX_EJECTION_S * 1.25
    assert len(set(windows[-3:])) == 3


def test_an_ejected_validator_gets_one_probe_and_an_answer_brings_it_back() -> None:
    clock = HeldClock()
    roster = make_roster(clock)
    state = only(roster)
    fail_often(roster, state, 5)
    clock.now_s += FIRST_EJECTION_S * 1.25
    assert roster.next_ready() is state
    assert roster.fail(state, HTTP_500) > FIRST_EJECTION_S * 1.4  # the probe failed
    assert roster.next_ready() is None
    clock.now_s += FIRST_EJECTION_S * 2.5
    assert roster.next_ready() is state
    roster.note_reply(state, skew_s=0.0, elapsed_s=0.1)
    assert (state.away, state.failures, state.ejections) == ("", 0, 0)
    assert roster.fail(state, HTTP_500) < 20.0


def test_when_most_fall_silent_the_fault_is_ours_and_nobody_is_ejected() -> None:
    clock = HeldClock()
    roster = make_roster(clock, *(neuron(name=f"Validator{i}", uid=i) for i in range(4)))
    unreachable = PeerError("no route", sent=False)
    for _ in range(10):
        rests = [roster.fail(state, unreachable) for state in roster.listed]
    assert max(rests) <= OUR_TROUBLE_REST_S * 1.25
    assert not any(state.away for state in roster)


def test_once_anybody_answers_most_being_silent_is_no_excuse() -> None:
    clock = HeldClock()
    roster = make_roster(clock, *(neuron(name=f"Validator{i}", uid=i) for i in range(4)))
    dead = [state for state in roster if state.neuron.uid > 0]
    for _ in range(6):
        clock.now_s += 60.0
        roster.note_reply(roster.get(key("Validator0").ss58_address), skew_s=0.0, elapsed_s=0.1)
        for state in dead:
            roster.fail(state, PeerError("no route", sent=False))
    assert all(state.away for state in dead)


def test_one_silent_validator_among_answering_ones_is_ejected() -> None:
    roster = make_roster(HeldClock(), *(neuron(name=f"Validator{i}", uid=i) for i in range(4)))
    state = roster.get(key("Validator0").ss58_address)
    assert fail_often(roster, state, 5, PeerError("refused", sent=False))[-1] > 400.0
    assert state.away


def test_one_that_answers_with_errors_is_ejected_however_the_others_do() -> None:
    roster = make_roster(HeldClock(), *(neuron(name=f"Validator{i}", uid=i) for i in range(3)))
    for state in roster.listed:
        fail_often(roster, state, 5)
    assert all(state.away for state in roster)


def feedback(fidelity: float) -> Feedback:
    return Feedback(task_fidelity_score=fidelity, current_miner_reward=7.0, current_duel_rating=1500.0)


class Judgements:
    """A roster of three whose validators judge what we score 0.8."""

    def __init__(self) -> None:
        self.acceptance, self.clock = Acceptance(), HeldClock()
        self.roster = Roster(
            margin_s=2.0,
            prices=Prices(),
            clock=self.clock,
            rng=random.Random(1),
            acceptance=self.acceptance,
        )
        self.roster.update(tuple(neuron(name=f"Validator{i}", uid=i) for i in range(3)))

    def judge(self, number: int, fidelity: float, times: int = 1) -> ValidatorState:
        state = self.roster.get(key(f"Validator{number}").ss58_address)
        for _ in range(times):
            outcome = Outcome(0.8, 0.6, fidelity, "reference")
            self.acceptance.observe(state.neuron.hotkey, outcome)
            event = "accepted" if fidelity else "rejected"
            self.roster.note_verdict(state, event, feedback=feedback(fidelity), local_score=0.8)
        return state


def test_a_validator_that_scores_0_what_others_accept_is_set_aside_for_a_growing_time_and_probed() -> None:
    scene = Judgements()
    scene.judge(1, 0.79, 10)
    scene.judge(2, 0.81, 10)
    liar = scene.judge(0, 0.0, 3)
    assert "rejected 3 of the last 3" in liar.away
    assert liar.ready_s - scene.clock.now_s == pytest.approx(FIRST_ASIDE_S, rel=0.26)
    assert scene.acceptance.probability(liar.neuron.hotkey, 0.8, 0.6) < 0.2
    scene.clock.now_s = liar.ready_s
    assert scene.roster.next_ready() is not None
    while not liar.chosen_because:
        scene.roster.next_ready()
    assert scene.acceptance.probability(liar.neuron.hotkey, 0.8, 0.6) > 0.8
    scene.judge(0, 0.0)
    assert liar.ready_s - scene.clock.now_s == pytest.approx(2 * FIRST_ASIDE_S, rel=0.26)
    scene.clock.now_s = liar.ready_s
    scene.judge(0, 0.8)
    assert (liar.away, liar.asides) == ("", 0)


def test_nobody_is_set_aside_when_all_reject_our_scorer_is_wrong_then() -> None:
    scene = Judgements()
    for number in range(3):
        assert not scene.judge(number, 0.0, 8).away


def test_blocked_validators_are_not_pulled_and_an_allow_list_keeps_all_others_out() -> None:
    names = [f"Validator{i}" for i in range(3)]
    hotkeys = [key(name).ss58_address for name in names]
    neurons = tuple(neuron(name=name, uid=i) for i, name in enumerate(names))
    for rules, left in (
        (RosterRules(blocked=frozenset(hotkeys[:1])), {1, 2}),
        (RosterRules(allowed=frozenset(hotkeys[:1])), {0}),
        (RosterRules(), {0, 1, 2}),
    ):
        roster = Roster(margin_s=2.0, prices=Prices(), clock=HeldClock(), rules=rules)
        roster.update(neurons)
        assert {state.neuron.uid for state in roster.listed} == left
        asked = roster.next_ready()
        assert asked is not None
        assert asked.neuron.uid in left
        assert {state.neuron.uid for state in roster if state.away} == {0, 1, 2} - left


def test_validators_are_listed_in_the_order_of_the_chain() -> None:
    uids = [5, 0, 7, 2, 6, 1, 4, 3]
    roster = make_roster(HeldClock(), *(neuron(name=f"Validator{uid}", uid=uid) for uid in uids))
    assert [state.neuron.uid for state in roster.listed] == uids


def test_a_listed_hotkey_that_is_no_validator_is_told_once() -> None:
    stranger = key("Stranger").ss58_address
    rules = RosterRules(blocked=frozenset({stranger}))
    roster = Roster(margin_s=2.0, prices=Prices(), clock=HeldClock(), rules=rules)
    with structlog.testing.capture_logs() as lines:
        roster.update((neuron(),))
        roster.update((neuron(),))
    assert [line["hotkeys"] for line in lines if line["log_level"] == "warning"] == [[stranger]]


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
        assert state.as_json(clock.now_s)["chosen_because"]
        served[state.neuron.uid] += 1
    assert min(served.values()) >= 15
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


def test_a_validator_that_judges_slowly_holds_no_place_of_ours_one_that_is_slow_to_hand_out_tasks_does() -> (
    None
):
    for judged, served in ((False, 1), (True, 0)):
        roster = make_roster(HeldClock(), neuron(), neuron(name="Validator1", uid=1, stake=9_900.0))
        slow = roster.get(key("Validator0").ss58_address)
        roster.note_reply(slow, skew_s=0.0, elapsed_s=60.0, judged=judged)
        chosen = roster.next_ready()
        assert chosen is not None
        assert chosen.neuron.uid == served


def test_the_time_that_our_work_takes_weighs_how_long_pulls_take() -> None:
    for work_s, served in ((1.0, 1), (300.0, 0)):
        roster = make_roster(HeldClock(), neuron(), neuron(name="Validator1", uid=1, stake=8_000.0))
        roster.note_reply(roster.get(key("Validator0").ss58_address), skew_s=0.0, elapsed_s=5.0)
        chosen = roster.next_ready(work_s=work_s)
        assert chosen is not None
        assert chosen.neuron.uid == served


def unpaid(scene: Judgements, number: int, times: int, event: str = "validator_fault") -> ValidatorState:
    state = scene.roster.get(key(f"Validator{number}").ss58_address)
    for _ in range(times):
        scene.clock.now_s += 300.0
        scene.roster.note_verdict(state, event, feedback=feedback(0.0))
    return state


@pytest.mark.parametrize("event", ["validator_fault", "unpaid"])
def test_a_validator_that_never_pays_is_set_aside_for_a_growing_time_while_others_pay(event: str) -> None:
    scene = Judgements()
    state = unpaid(scene, 0, 4, event)
    scene.judge(1, 0.8)
    assert not state.away
    unpaid(scene, 0, 1, event)
    assert state.away == "paid none of the last 5 results, nor rejected one"
    assert state.ready_s - scene.clock.now_s == pytest.approx(FIRST_ASIDE_S, rel=0.26)
    scene.clock.now_s = state.ready_s
    unpaid(scene, 0, 1, event)
    assert state.ready_s - scene.clock.now_s == pytest.approx(2 * FIRST_ASIDE_S, rel=0.26)
    scene.judge(0, 0.8)
    assert (state.away, state.unpaid_row) == ("", 0)


def test_nobody_is_set_aside_for_not_paying_when_nobody_pays() -> None:
    scene = Judgements()
    scene.judge(1, 0.8)
    assert not unpaid(scene, 0, 9).away
    assert not unpaid(scene, 1, 9).away
