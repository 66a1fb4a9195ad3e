"""When a failing process is put aside, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnet17.ops.crash_loops import MAX_PAUSE_S, CrashLimits, CrashRecord

LIMITS = CrashLimits(failures=5, window_s=600.0, pause_s=600.0)
NOW_S = 1_800_000_000.0


def record_of(*ages_s: float) -> CrashRecord:
    record = CrashRecord()
    for age_s in sorted(ages_s, reverse=True):
        record.note_failure(NOW_S - age_s, "it ended", LIMITS)
    return record


def test_the_fifth_failure_within_ten_minutes_is_a_loop() -> None:
    assert not record_of(500, 400, 300, 200).is_loop(NOW_S, LIMITS)
    assert record_of(500, 400, 300, 200, 100).is_loop(NOW_S, LIMITS)
    assert not record_of(700, 400, 300, 200, 100).is_loop(NOW_S, LIMITS)


def test_pauses_double_up_to_the_longest_and_each_begins_the_count_anew() -> None:
    record = record_of(4, 3, 2, 1, 0)
    pauses_s = [record.put_aside(NOW_S, LIMITS) for _ in range(40)]
    assert pauses_s[:4] == [600.0, 1200.0, 2400.0, 4800.0]
    assert pauses_s[-1] == MAX_PAUSE_S
    assert not record.is_loop(NOW_S, LIMITS)


def test_a_long_healthy_time_makes_the_next_pause_the_shortest_again() -> None:
    record = record_of(0)
    record.put_aside(NOW_S, LIMITS)
    record.forget()
    assert record.aside_s(NOW_S) == 0
    assert record.put_aside(NOW_S, LIMITS) == LIMITS.pause_s


def test_a_clock_that_was_set_back_by_a_year_lengthens_no_pause_and_counts_nothing_from_the_future() -> None:
    record = record_of(4, 3, 2, 1, 0)
    record.put_aside(NOW_S, LIMITS)
    assert record.aside_s(NOW_S - 365 * 86_400) == 0
    assert not record_of(4, 3, 2, 1, 0).is_loop(NOW_S - 365 * 86_400, LIMITS)


@given(st.lists(st.floats(0, 1e5), max_size=60))
def test_the_record_stays_small_and_survives_its_file(steps_s: list[float]) -> None:
    record, now_s = CrashRecord(), NOW_S
    failed_s = []
    for step_s in steps_s:
        now_s += step_s
        record.note_failure(now_s, "it ended", LIMITS)
        failed_s.append(now_s)
    again = CrashRecord.model_validate_json(record.model_dump_json())
    assert again == record
    assert len(again.failed_s) <= LIMITS.failures
    recent = sum(now_s - at_s < LIMITS.window_s for at_s in failed_s)
    assert again.is_loop(now_s, LIMITS) == (recent >= LIMITS.failures)


@pytest.mark.parametrize("left_s", [1.0, 599.0])
def test_the_rest_of_a_pause_is_told(left_s: float) -> None:
    record = record_of(0)
    record.put_aside(NOW_S, LIMITS)
    assert record.aside_s(NOW_S + LIMITS.pause_s - left_s) == left_s
