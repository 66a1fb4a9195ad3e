"""The soak in small: it asks, probes and looks; and it tells a leak from none. The long run: `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak import SHARES, Look, Soak, Tally, print_table, running

REQUESTS = 24
MIB = 2**20


async def test_both_servers_answer_whatever_they_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path) as servers:
        tally = await Soak(servers, duration_s=0, requests=REQUESTS, askers=3).run()
    assert tally.complaints == []
    assert tally.total("answered") == REQUESTS
    assert tally.outcomes.keys() == SHARES.keys()
    assert tally.probes and tally.availability > 0
    assert min(look.processes for look in tally.before + tally.after) >= len(servers) * 2  # workers too
    print_table(tally)
    assert "availability" in capsys.readouterr().out


def good() -> Tally:
    tally = Tally(probes=200, before=[Look(500 * MIB, 80, 6)], after=[Look(560 * MIB, 82, 6)])
    tally.add("generate", "answered", 0.5)
    tally.add("generate", "refused", 0.1)
    return tally


def test_a_tally_within_the_limits_has_no_breaches() -> None:
    assert good().breaches() == []


def test_each_limit_that_is_passed_is_told() -> None:
    tally = good()
    tally.add("status", "failed", 1.0)
    tally.complaints.append("status: 500")
    tally.probes_missed = 3
    tally.after = [Look(601 * MIB, 95, 6), Look(590 * MIB, 96, 6)]
    told = " | ".join(tally.breaches())
    for words in ("1 requests failed", "status: 500", "grew by 101.0 MiB", "15 more", "availability 98.50%"):
        assert words in told
    assert "nothing was answered" in " ".join(Tally(before=tally.before, after=tally.after).breaches())
