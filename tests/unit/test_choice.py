"""Whom the miner asks next: worth, price, the owner's turn, and that nobody starves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnet17.mining.choice import OWNER_EVERY, PATIENCE, Choice, Prospect, choose

PLAIN = Prospect("5A", stake=1000.0)


def other(**changes: object) -> Prospect:
    return dataclasses.replace(PLAIN, hotkey="5B", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "worse",
    [
        other(stake=500.0),
        other(success_rate=0.5),
        other(p_accept=0.5),
        other(cycle_s=600.0),
        other(pull_s=30.0),
        other(work_s=60.0),
    ],
)
def test_each_figure_counts(worse: Prospect) -> None:
    assert choose([worse, PLAIN], turn=1).hotkey == "5A"
    assert choose([PLAIN, worse], turn=1).hotkey == "5A"


def test_a_big_stake_makes_up_for_a_lower_chance_in_proportion() -> None:
    assert choose([PLAIN, other(stake=3000.0, p_accept=0.4)], turn=1).hotkey == "5B"
    assert choose([PLAIN, other(stake=3000.0, p_accept=0.3)], turn=1).hotkey == "5A"


def test_of_equals_the_longest_ready_is_asked() -> None:
    assert choose([PLAIN, other(ready_for_s=1.0)], turn=1).hotkey == "5B"


def test_equals_are_drawn_by_lot_the_same_for_the_same_seed() -> None:
    names = [f"5{i}" for i in range(8)]
    equals = [dataclasses.replace(PLAIN, hotkey=name) for name in names]

    def course(seed: int, prospects: Sequence[Prospect]) -> list[str]:
        return [choose(prospects, turn=turn, seed=seed).hotkey for turn in range(1, 30)]

    assert course(1, equals) == course(1, equals[::-1])
    assert course(1, equals) != course(2, equals)
    assert len(set(course(1, equals))) > 4


def test_the_owner_is_asked_every_fifth_turn_however_poor() -> None:
    owner = other(is_owner=True, p_accept=0.01)
    asked = [choose([PLAIN, owner], turn=turn).hotkey for turn in range(1, 11)]
    assert [turn for turn, hotkey in enumerate(asked, 1) if hotkey == "5B"] == [OWNER_EVERY, 2 * OWNER_EVERY]


def test_the_reason_names_the_figures() -> None:
    assert choose([PLAIN, other(stake=500.0)], turn=1) == Choice(
        "5A",
        "most lost by waiting, of 2 ready; stake share 0.667, P(accept) 1.00, calls that work 1.00, "
        "cycle 300 s, holds a slot 30.0 s",
    )


def test_nobody_ready_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody"):
        choose([], turn=1)


FIGURES = st.builds(
    Prospect,
    hotkey=st.uuids().map(str),
    stake=st.floats(0, 1e9),
    p_accept=st.floats(0, 1),
    cycle_s=st.floats(0, 1e5),
    pull_s=st.floats(0, 300),
    success_rate=st.floats(0, 1),
    is_owner=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FIGURES, min_size=1, max_size=9, unique_by=lambda p: p.hotkey), st.integers(0, 9), st.data())
def test_everyone_ready_is_asked_within_the_stated_number_of_turns(
    prospects: list[Prospect], seed: int, data: st.DataObject
) -> None:
    """The worst case: the chosen one is ready again at once. Some begin passed over already."""
    passed = {p.hotkey: data.draw(st.integers(0, 3)) for p in prospects}
    asked_at = dict.fromkeys(passed, 0)
    bound = (PATIENCE + 1) * len(prospects)
    for turn in range(1, 4 * bound + 1):
        ready = [dataclasses.replace(p, passed_over=passed[p.hotkey]) for p in prospects]
        chosen = choose(ready, turn=turn, seed=seed).hotkey
        asked_at[chosen] = turn
        passed = {hotkey: 0 if hotkey == chosen else count + 1 for hotkey, count in passed.items()}
        assert turn - min(asked_at.values()) <= bound
