"""Recorded calls give what the function gives, and are dropped when the weights move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from subnet17.gpu.recorded import MAX_GRAPHS, RECORD_AFTER, Recorded  # noqa: E402


class Linear:
    """A function with a weight at a place, which counts how often it really ran."""

    def __init__(self) -> None:
        self.weight = torch.tensor(2.0)
        self.place = 1
        self.runs = 0
        self.recordings = 0

    def __call__(self, x: Any, *, shift: float = 0.0) -> dict[str, Any]:
        self.runs += 1
        self.last = {"y": self.weight * x + shift}
        self.x, self.shift = x, shift
        return self.last

    def record(self, run: Callable[[], object]) -> Any:
        self.recordings += 1
        run()
        x, shift, answer = self.x, self.shift, self.last

        class Graph:
            def replay(inner) -> None:  # noqa: N805 - the outer self is needed too
                answer["y"].copy_(self.weight * x + shift)

        return Graph()


@pytest.fixture
def linear() -> Linear:
    return Linear()


@pytest.fixture
def recorded(linear: Linear) -> Recorded:
    return Recorded(linear, lambda: linear.place, recorder=linear.record)


def test_answers_are_the_functions_before_and_after_recording(linear: Linear, recorded: Recorded) -> None:
    for number in range(RECORD_AFTER + 20):
        assert recorded(torch.tensor([float(number)]), shift=1.0)["y"].tolist() == [2.0 * number + 1]
    assert linear.recordings == 1
    assert linear.runs == RECORD_AFTER  # the last of them recorded


def test_an_answer_is_not_overwritten_by_the_next_call(linear: Linear, recorded: Recorded) -> None:
    for _ in range(RECORD_AFTER):
        recorded(torch.ones(3))
    first = recorded(torch.ones(3))["y"]
    recorded(5 * torch.ones(3))
    assert first.tolist() == [2.0] * 3


def test_other_shapes_and_other_constants_are_recorded_on_their_own(
    linear: Linear, recorded: Recorded
) -> None:
    for _ in range(RECORD_AFTER):
        recorded(torch.ones(3))
        recorded(torch.ones(4))
        recorded(torch.ones(3), shift=9.0)
    assert linear.recordings == 3
    assert recorded(torch.ones(3), shift=9.0)["y"].tolist() == [11.0] * 3
    assert recorded(torch.ones(4))["y"].tolist() == [2.0] * 4


def test_moved_weights_drop_the_recording(linear: Linear, recorded: Recorded) -> None:
    for _ in range(RECORD_AFTER + 1):
        recorded(torch.ones(2))
    runs = linear.runs
    linear.weight, linear.place = torch.tensor(7.0), 2
    assert recorded(torch.ones(2))["y"].tolist() == [7.0] * 2
    assert linear.runs == runs + 1


def test_no_more_than_the_allowed_number_of_graphs(linear: Linear, recorded: Recorded) -> None:
    for size in range(1, MAX_GRAPHS + 3):
        for _ in range(RECORD_AFTER + 1):
            assert recorded(torch.ones(size))["y"].tolist() == [2.0] * size
    assert linear.recordings == MAX_GRAPHS


def test_what_cannot_be_recorded_goes_on_as_it_was(linear: Linear) -> None:
    tries = []

    def refuse(run: Callable[[], object]) -> Any:
        tries.append(run)
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = Recorded(linear, lambda: linear.place, recorder=refuse)
    for number in range(3 * RECORD_AFTER):
        assert recorded(torch.tensor([float(number)]))["y"].tolist() == [2.0 * number]
    assert len(tries) == 1


def test_nothing_is_recorded_on_the_cpu(linear: Linear) -> None:
    recorded = Recorded(linear, lambda: linear.place)
    for _ in range(2 * RECORD_AFTER):
        assert recorded(torch.ones(1))["y"].tolist() == [2.0]
    assert linear.runs == 2 * RECORD_AFTER
