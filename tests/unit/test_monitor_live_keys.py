"""Each key that the watch over the machine is said to follow live is: a changed file changes what it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from subnet17.ops import monitor as monitor_module
from subnet17.ops import resources
from subnet17.ops.announce import Announcer
from subnet17.ops.limits import Alert, Relief
from subnet17.ops.monitor import Monitor
from subnet17.ops.resources import Machine, Measure
from subnet17.reload import SettingsFollower
from subnet17.settings import LIVE, OperationsTable
from subnet17.settings_uses import ORCHESTRATOR, list_keys
from tests.config_files import write_config
from tests.unit.test_orders import KEEPERS_KEYS


class Still(Machine):
    """A machine with the measures that a test gives it; it asks others as the real one does."""

    given: list[Measure]

    async def read(self) -> list[Measure]:
        return [*self.given, *await self._read_remote()]


@dataclass
class Bench:
    """A watch whose time the test moves, and whom it asked and told."""

    monitor: Monitor
    machine: Still
    follower: SettingsFollower
    now_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    cleaned: list[OperationsTable] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    holds_s: list[float] = field(default_factory=list)

    async def alerts(self, name: str, value: float, *, at_s: tuple[float, ...] = (0.0, 60.0)) -> set[str]:
        """What is told when a measure stays at a value."""
        self.machine.given = [Measure(name, "", value)]
        alerts: list[Alert] = []
        for self.now_s in at_s:
            alerts += await self.monitor.sample()
        return {alert.name for alert in alerts}


@asynccontextmanager
async def bench_of(path: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    data = {"S17_OPERATIONS__DATA_DIR": str(path.parent)}
    follower = SettingsFollower(ORCHESTRATOR, path, environ=data)
    machine = Still(follower.current, clock=lambda: bench.now_s)
    machine.given = []
    announcer = Announcer()
    monitor = Monitor(follower.current, machine=machine, announcer=announcer, clock=lambda: bench.now_s)
    bench = Bench(monitor, machine, follower)
    follower.add(monitor.follow)

    async def reach(hosts: list[str]) -> bool:
        bench.asked += hosts
        return True

    async def hold(relief: Relief, _: str) -> bool:
        if relief is not Relief.NONE:
            bench.holds_s.append(monitor._miner.hold_for_s)
        return True

    def ask_skew(server: str) -> float:
        bench.asked.append(server)
        return 1.0  # less than is told by default

    def clean_up(operations: OperationsTable, *, urgent: bool) -> int:
        bench.cleaned.append(operations)
        return 0

    patch.setattr(resources, "can_reach", reach)
    patch.setattr(resources, "ask_skew", ask_skew)
    patch.setattr(monitor_module, "clean_up", clean_up)
    patch.setattr(monitor._miner, "ask", hold)
    change = announcer.change
    patch.setattr(announcer, "change", lambda **told: (bench.told.update(told), change(**told)))
    monitor.follow(follower.current)
    yield bench
    await monitor._miner.aclose()


def alerted(measure: str, value: float, name: str) -> Callable[[Bench], Awaitable[bool]]:
    async def told(bench: Bench) -> bool:
        return name in await bench.alerts(measure, value)

    return told


async def hold_s(bench: Bench) -> bool:
    return bool(await bench.alerts("cpu_percent", 99.9, at_s=(0.0, 10.0)))


async def repeat_s(bench: Bench) -> bool:
    await bench.alerts("cpu_percent", 99.9)
    return bool(await bench.alerts("cpu_percent", 99.9, at_s=(300.0,)))


async def interval(bench: Bench) -> float:
    """For how long the miner is asked to hold: several looks."""
    await bench.alerts("disk_free_bytes", 1.0)
    return bench.holds_s[-1]


async def asked(bench: Bench) -> list[str]:
    await bench.monitor.sample()
    bench.asked.clear()
    bench.now_s += 10_000
    await bench.monitor.sample()
    return bench.asked


def cleaned(key: str) -> Callable[[Bench], Awaitable[object]]:
    async def done(bench: Bench) -> object:
        await bench.monitor.sample()
        return getattr(bench.cleaned[-1], key)

    return done


def told(key: str) -> Callable[[Bench], Awaitable[object]]:
    async def done(bench: Bench) -> object:
        return bench.told[key]

    return done


PROBES: dict[str, tuple[Any, Any, Callable[[Bench], Awaitable[Any]]]] = {
    "min_free_disk_bytes": (10**9, False, alerted("disk_free_bytes", 5e9, "disk is full")),
    "max_cpu_percent": (50.0, True, alerted("cpu_percent", 60.0, "processor is busy")),
    "max_memory_percent": (50.0, True, alerted("memory_percent", 60.0, "memory is short")),
    "max_vram_percent": (50.0, True, alerted("vram_percent", 60.0, "GPU memory is short")),
    "max_gpu_temperature_deg_c": (60.0, True, alerted("gpu_temperature_deg_c", 62.0, "GPU is hot")),
    "max_gpu_power_w": (200.0, True, alerted("gpu_power_w", 250.0, "GPU draws too much")),
    "max_clock_skew_s": (0.5, True, alerted("clock_skew_s", 1.0, "clock is wrong")),
    "time_server": ("b.test", ["entrypoint-finney.opentensor.ai:443", "1.1.1.1:443", "b.test"], asked),
    "network_check_hosts": (["a.test:1"], ["a.test:1", "pool.ntp.org"], asked),
    "resources_interval_s": (100.0, 430.0, interval),
    "alert_hold_s": (5.0, True, hold_s),
    "alert_repeat_s": (100.0, True, repeat_s),
    "alert_webhook_url": ("http://a.test/b", "http://a.test/b", told("webhook_url")),
    "alert_command": (["page", "me"], ["page", "me"], told("command")),
    "clean_up": (True, True, cleaned("clean_up")),
    "clean_up_age_days": (3.0, 3.0, cleaned("clean_up_age_days")),
    "clean_up_max_bytes": (5, 5, cleaned("clean_up_max_bytes")),
}
"""Live key -> another value than its default, what is then seen, and how to see it."""


def test_each_live_key_of_the_watch_is_probed() -> None:
    live = {key for _, key in list_keys(ORCHESTRATOR, LIVE)}
    assert set(PROBES) == live - KEEPERS_KEYS - {"log_level"}  # the follower's own


@pytest.mark.parametrize("name", PROBES)
async def test_a_live_key_changes_what_is_done(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, seen, observe = PROBES[name]
    path = tmp_path / "mining.toml"
    path.write_text("# nothing is set\n")
    async with bench_of(path, monkeypatch) as bench:
        assert await observe(bench) != seen
    async with bench_of(path, monkeypatch) as bench:
        write_config(path, operations={name: value})
        bench.follower.look()
        assert await observe(bench) == seen


async def test_an_alert_that_stands_is_over_when_its_limit_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mining.toml"
    path.write_text("[operations]\nmax_memory_percent = 50\n")
    async with bench_of(path, monkeypatch) as bench:
        assert await bench.alerts("memory_percent", 60.0) == {"memory is short"}
        write_config(path, operations={"max_memory_percent": 90})
        bench.follower.look()
        assert await bench.alerts("memory_percent", 60.0, at_s=(70.0,)) == set()
        assert await bench.alerts("memory_percent", 60.0, at_s=(110.0,)) == {"memory is short"}  # it is over
        assert bench.monitor._limits.relief is Relief.NONE
