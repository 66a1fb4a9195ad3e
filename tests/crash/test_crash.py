"""The real miner killed with SIGKILL at every state, beside a real local subnet on real axons.

The nightly run of the same trials, with thousands of kills: `make crash-trials`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from judge import Findings
from lives import Execute
from trials import AIMS, COURSES, STATES, Round

KILLS = 36
"""In each of two rounds at once: more than 60 at the five states, evenly, and 12 while it starts."""

pytestmark = pytest.mark.timeout(900)


async def test_a_kill_at_any_state_loses_no_result_and_pays_none_twice(tmp_path: Path) -> None:
    rounds = [
        Round(tmp_path / str(number), number, course, KILLS, Execute())
        for number, course in enumerate(COURSES)
    ]
    found = Findings()
    for part in await asyncio.gather(*(each.run() for each in rounds)):
        found.add(part)
    assert found.complaints == []
    assert found.kills == dict.fromkeys(AIMS, 2 * KILLS // len(AIMS))
    assert found.lost == found.regenerated == found.accepted_twice == found.violations == 0
    assert found.unfinished == 0
    # The trial itself works: deaths came all over the way of a task (a busy machine sees a line late, and
    # kills a state further on), and there was something to lose.
    assert sum(bool(found.died_after[state]) for state in STATES) >= len(STATES) - 1, found.died_after
    assert found.accepted >= KILLS / 2
