"""The error tree: every class has its own status and code, and survives a process border."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from subnet17 import errors


def tree(root: type[errors.S17Error] = errors.S17Error) -> Iterator[type[errors.S17Error]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("kind", list(tree()))
def test_docstring_draws_each_class_with_its_status_and_code(kind: type[errors.S17Error]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if f"{kind.__name__} " in line)
    assert str(kind.status) in line
    assert kind.code in line


@pytest.mark.parametrize("kind", list(tree()))
def test_error_keeps_its_detail_across_a_process_border(kind: type[errors.S17Error]) -> None:
    copy = pickle.loads(pickle.dumps(kind("too big", measured=3, allowed=2)))  # noqa: S301
    assert type(copy) is kind
    assert copy.as_json() == {
        "error": {"code": kind.code, "message": "too big", "detail": {"measured": 3, "allowed": 2}}
    }
