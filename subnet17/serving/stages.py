"""Names and times the stages of a job, so that a failure says where and a reply says how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from subnet17.errors import S17Error, StageError


class Stages:
    """Collects `{stage: seconds}` and turns foreign exceptions into `StageError`s naming the stage."""

    def __init__(self) -> None:
        self.timings_s: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Runs a block as the stage `name`.

        Raises:
            StageError: the block raised anything but an `S17Error` or a `MemoryError`.
        """
        started_s = time.perf_counter()
        try:
            yield
        except (S17Error, MemoryError):
            raise
        except Exception as error:
            raise StageError(f"{name} failed: {type(error).__name__}: {error}", stage=name) from error
        finally:
            spent_s = time.perf_counter() - started_s
            self.timings_s[name] = round(self.timings_s.get(name, 0.0) + spent_s, 4)
