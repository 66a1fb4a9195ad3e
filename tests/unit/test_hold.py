"""Requests to hold back end by themselves; the strictest counts."""

from __future__ import annotations

from subnet17.mining.hold import MOST_HOLDERS, Hold
from tests.peers import HeldClock


def test_a_request_ends_by_itself_unless_it_is_renewed() -> None:
    clock = HeldClock()
    hold = Hold(clock)
    assert hold.ask("resources", tasks_at_once=0, reason="disk is full", for_s=60)
    clock.now_s += 59
    assert hold.reason_not_to_pull == "held by resources: disk is full"
    hold.ask("resources", tasks_at_once=0, reason="disk is full", for_s=60)
    clock.now_s += 59
    assert hold.tasks_at_once == 0
    assert [held["left_s"] for held in hold.as_json()] == [1]
    clock.now_s += 2
    assert hold.as_json() == []
    assert hold.reason_not_to_pull == ""


def test_the_strictest_counts_and_each_lifts_its_own() -> None:
    hold = Hold(HeldClock())
    hold.ask("resources", tasks_at_once=1, reason="hot", for_s=60)
    assert (hold.tasks_at_once, hold.reason_not_to_pull) == (1, "")
    hold.ask("operator", tasks_at_once=0, reason="maintenance", for_s=3600)
    assert (hold.tasks_at_once, hold.reason_not_to_pull) == (0, "held by operator: maintenance")
    assert hold.lift("operator")
    assert hold.tasks_at_once == 1
    assert not hold.lift("operator")


def test_made_up_names_fill_no_memory() -> None:
    hold = Hold(HeldClock())
    taken = [hold.ask(str(n), tasks_at_once=1, reason="", for_s=60) for n in range(MOST_HOLDERS + 1)]
    assert taken == [True] * MOST_HOLDERS + [False]
    assert hold.ask("0", tasks_at_once=0, reason="", for_s=60)
