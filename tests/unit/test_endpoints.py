"""Which endpoint is asked: speed, queue, failures, rests and probes. A held clock stands for most servers."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from peers import FakeGeneration, HeldClock, app_peer, assignment

from subnet17.errors import (
    InvalidInputError,
    OverloadedError,
    PeerError,
    PeerTimeoutError,
    UnavailableError,
)
from subnet17.mining.endpoints import AGE_S, MAX_REST_S, Endpoint, Pool
from subnet17.mining.servers import Servers
from subnet17.settings import MinerTable, Settings


def pool_of(*names: str) -> tuple[Pool, Any]:
    clock: Any = HeldClock()
    return Pool([Endpoint(name, healthy=True, reason="") for name in names], clock), clock


def ask(pool: Pool, clock: Any, times_s: dict[str, float]) -> str:
    """One request, alone; the endpoint takes as long as listed."""
    with pool.lease() as endpoint:
        clock.now_s += times_s[endpoint.url]
    return endpoint.url


def fail(pool: Pool, error: Exception | None = None) -> str:
    with pytest.raises(type(error) if error else PeerError), pool.lease() as endpoint:
        raise error or PeerError("no")
    return endpoint.url


def leases(pool: Pool, count: int) -> list[str]:
    """Who gets so many requests sent at once."""
    with ExitStack() as stack:
        open_leases: list[AbstractContextManager[Endpoint]] = [pool.lease() for _ in range(count)]
        return [stack.enter_context(lease).url for lease in open_leases]


def test_every_endpoint_is_tried_once_then_the_fastest_is_asked() -> None:
    pool, clock = pool_of("a", "b", "c")
    times_s = {"a": 9.0, "b": 3.0, "c": 5.0}
    assert {ask(pool, clock, times_s) for _ in range(3)} == {"a", "b", "c"}
    assert {ask(pool, clock, times_s) for _ in range(5)} == {"b"}


def test_a_queue_is_multiplied_by_the_endpoints_own_speed() -> None:
    pool, clock = pool_of("fast", "slow")
    for endpoint, pace_s in zip(pool.endpoints, (2.0, 5.5), strict=True):
        endpoint.succeeded(pace_s, sharing=1, now_s=clock.now_s)
    # The ends of the fast one's queue: 2, 4, 6, 8, 10, 12; of the slow one's: 5.5, 11.
    assert leases(pool, 7) == ["fast", "fast", "slow", "fast", "fast", "fast", "slow"]


def test_waiting_in_an_endpoints_queue_does_not_make_it_slow() -> None:
    pool, clock = pool_of("a")
    one, two = pool.lease(), pool.lease()
    with one:
        two.__enter__()
        clock.now_s += 4.0
    clock.now_s += 4.0
    two.__exit__(None, None, None)
    assert pool.endpoints[0].pace_s == pytest.approx(4.0)
    assert pool.speed_s == pytest.approx(4.0 + 0.3 * 4.0)


def test_a_slow_measurement_is_forgiven_in_time() -> None:
    pool, clock = pool_of("a", "b")
    times_s = {"a": 3.0, "b": 40.0}
    assert {ask(pool, clock, times_s), ask(pool, clock, times_s)} == {"a", "b"}
    times_s["b"] = 1.0
    asked = []
    for _ in range(80):
        asked.append(ask(pool, clock, times_s))
        clock.now_s += AGE_S / 10
    assert "b" in asked
    assert asked[-1] == "b"


def test_the_late_time_covers_nearly_all_requests() -> None:
    pool, clock = pool_of("a")
    times_s = [8.0, 12.0, 10.0, 9.0, 11.0] * 20
    covered = 0
    for time_s in times_s:
        covered += pool.late_s >= time_s
        ask(pool, clock, {"a": time_s})
    assert covered >= 0.9 * len(times_s)
    assert pool.late_s < 2 * pool.speed_s


def test_speeds_are_unknown_before_the_first_request() -> None:
    pool, _ = pool_of("a", "b")
    assert (pool.speed_s, pool.late_s) == (0.0, 0.0)


def test_the_speed_told_is_that_of_an_endpoint_that_can_be_asked() -> None:
    pool, clock = pool_of("a", "b")
    times_s = {"a": 2.0, "b": 10.0}
    ask(pool, clock, times_s), ask(pool, clock, times_s)
    assert pool.speed_s == 2.0
    pool.endpoints[0].healthy = False
    assert pool.speed_s == 10.0


def test_a_failing_endpoint_rests_twice_as_long_each_time_up_to_a_limit() -> None:
    pool, clock = pool_of("a")
    rests_s = []
    for _ in range(9):
        fail(pool)
        rests_s.append(pool.endpoints[0].rest_until_s - clock.now_s)
        clock.now_s = pool.endpoints[0].rest_until_s
    assert rests_s[:4] == [1.0, 2.0, 4.0, 8.0]
    assert rests_s[-1] == MAX_REST_S


def test_a_busy_endpoint_rests_as_long_as_it_asks_for() -> None:
    pool, clock = pool_of("a")
    fail(pool, OverloadedError("full", retry_after_s=7.0))
    assert pool.endpoints[0].rest_until_s - clock.now_s == 7.0
    with pytest.raises(UnavailableError, match="resting"), pool.lease():
        pass


def test_a_task_that_is_at_fault_does_not_send_its_endpoint_to_rest() -> None:
    pool, _ = pool_of("a")
    fail(pool, InvalidInputError("a bad prompt"))
    assert pool.usable


def test_a_returning_endpoint_gets_one_probe_while_others_work() -> None:
    pool, clock = pool_of("a", "b")
    times_s = {"a": 1.0, "b": 30.0}
    ask(pool, clock, times_s), ask(pool, clock, times_s)
    assert fail(pool) == "a"
    assert ask(pool, clock, times_s) == "b"  # resting
    assert leases(pool, 3) == ["a", "b", "b"]  # back: proved by one request first
    assert leases(pool, 3) == ["a", "a", "a"]


def test_a_probe_does_not_hold_up_the_only_endpoint() -> None:
    pool, clock = pool_of("a")
    fail(pool)
    clock.now_s += 1.0
    assert leases(pool, 2) == ["a", "a"]


async def test_two_real_servers_share_by_speed_and_stand_in_for_each_other() -> None:
    slow, fast = FakeGeneration(delay_s=0.3), FakeGeneration(delay_s=0.02)
    async with app_peer(slow.app()) as slow_port, app_peer(fast.app()) as fast_port:
        ports = (slow_port, fast_port)
        table = MinerTable(
            generation_endpoints=[f"http://127.0.0.1:{port}" for port in ports], max_concurrent_generations=4
        )
        servers = Servers(Settings(miner=table))
        try:
            await servers.check()
            for seed in range(2):
                await servers.generate(assignment(), index=0, seed=seed)
            await asyncio.gather(*(servers.generate(assignment(), index=0, seed=seed) for seed in range(4)))
            assert (len(slow.forms), len(fast.forms)) == (1, 5)
            error = {"error": {"code": "unavailable", "message": "down", "detail": {}}}
            fast.fail = [(503, error)]
            await servers.generate(assignment(), index=0, seed=9)
            assert len(slow.forms) == 2
        finally:
            await servers.aclose()


def hang(pool: Pool, clock: Any, most_s: float = 120.0) -> tuple[str, float]:
    """One request that is not answered within its limit; who was asked, and the limit."""
    with pytest.raises(PeerTimeoutError), pool.lease() as endpoint:
        limit_s = pool.limit_s(endpoint, most_s)
        clock.now_s += limit_s
        raise PeerTimeoutError("no answer")
    return endpoint.url, limit_s


def test_a_hanging_endpoint_rests_for_what_it_cost_and_its_probes_end_much_sooner() -> None:
    pool, clock = pool_of("a", "b")
    times_s = {"a": 10.0, "b": 20.0}
    ask(pool, clock, times_s), ask(pool, clock, times_s)
    hanging = pool.endpoints[0]
    seen = []
    for _ in range(5):
        url, limit_s = hang(pool, clock)
        assert url == "a"
        seen.append((limit_s, hanging.rest_until_s - clock.now_s))
        assert ask(pool, clock, times_s) == "b"
        clock.now_s = hanging.rest_until_s
    assert seen == [(120.0, 120.0), (30.0, 60.0), (60.0, 240.0), (120.0, 600.0), (120.0, 600.0)]
    assert ask(pool, clock, times_s) == "a"
    assert pool.limit_s(hanging, 120.0) == 120.0


def test_a_probe_of_an_endpoint_that_was_never_measured_goes_by_the_others() -> None:
    pool, clock = pool_of("a", "b")
    fail(pool)
    ask(pool, clock, {"b": 20.0})
    clock.now_s += MAX_REST_S
    assert pool.limit_s(pool.endpoints[0], 120.0) == 60.0


def test_requests_that_hang_side_by_side_count_as_one_failure() -> None:
    pool, clock = pool_of("a", "b")
    times_s = {"a": 1.0, "b": 9.0}
    ask(pool, clock, times_s), ask(pool, clock, times_s)
    with pytest.raises(PeerTimeoutError), ExitStack() as stack:
        for _ in range(3):
            assert stack.enter_context(pool.lease()).url == "a"
        clock.now_s += 120.0
        raise PeerTimeoutError("no answer")
    assert pool.endpoints[0].failures == 1


def test_the_only_endpoint_is_given_its_whole_time_and_a_short_rest() -> None:
    pool, clock = pool_of("a", "b")
    ask(pool, clock, {"a": 1.0})
    pool.endpoints[1].healthy = False
    assert [hang(pool, clock)[1] for _ in range(1)] == [120.0]
    assert pool.endpoints[0].rest_until_s - clock.now_s == 1.0
    clock.now_s += 1.0
    assert hang(pool, clock)[1] == 120.0
