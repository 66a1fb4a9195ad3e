"""Chooses which idle models give up their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Protocol, TypeVar

SIMILAR = 1.1
"""Up to this ratio sizes count as the same, and last use decides."""
MOST_CHOICES = 12
"""All subsets of as many models are compared: 4095 at most."""


class Candidate(Protocol):
    """An idle model."""

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""

    @property
    def last_use_s(self) -> float:
        """Monotonic seconds at the end of its last lease."""


C = TypeVar("C", bound=Candidate)


def choose_victims(idle: Sequence[C], need_bytes: int) -> list[C] | None:
    """The idle models to move out so that `need_bytes` come free: those with the fewest bytes.

    What goes out has to come back, so bytes are the cost. Plain least-recently-used gets that wrong for a
    pipeline that goes round: with text encoder 5, image 12 and shape 5 GB under 20, the shape's turn puts
    out the text encoder; then the text encoder's turn finds the image model least recently used and puts
    out 12 GB where the shape's 5 would do, and so on: 22 GB move for each task, instead of 10.
    Among choices of about the same size the one whose latest use is longest ago goes.

    Returns:
        Nothing to move (an empty list) if nothing is needed; None if all of them would not be enough.
    """
    if need_bytes <= 0:
        return []
    oldest_first = sorted(idle, key=lambda model: model.last_use_s)[:MOST_CHOICES]
    enough = [choice for choice in _subsets(oldest_first) if _total(choice) >= need_bytes]
    if not enough:
        return list(idle) if _total(idle) >= need_bytes else None
    fewest_bytes = min(map(_total, enough))
    similar = [choice for choice in enough if _total(choice) <= SIMILAR * fewest_bytes]
    return list(min(similar, key=lambda choice: (_latest_use_s(choice), _total(choice))))


def _subsets(models: Sequence[C]) -> Iterable[tuple[C, ...]]:
    return chain.from_iterable(combinations(models, count) for count in range(1, len(models) + 1))


def _total(models: Iterable[Candidate]) -> int:
    return sum(model.nbytes for model in models)


def _latest_use_s(models: Iterable[Candidate]) -> float:
    return max(model.last_use_s for model in models)
