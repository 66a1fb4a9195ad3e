"""Leases on models that share a device too small for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from subnet17.deadline import Deadline  # noqa: E402
from subnet17.errors import DeadlineError, UnavailableError  # noqa: E402
from subnet17.gpu.card import Card, open_card  # noqa: E402
from subnet17.gpu.eviction import SIMILAR, choose_victims  # noqa: E402
from subnet17.gpu.models import Loaded, ModelCache  # noqa: E402
from subnet17.gpu.pressure import Pressure  # noqa: E402
from subnet17.gpu.residency import Residence  # noqa: E402
from subnet17.gpu.watcher import PAUSE_S, Watcher  # noqa: E402

GB = 256
"""Bytes that stand for a gigabyte: the layout's granule."""
SIZES = {"text": 5, "image": 12, "shape": 5}


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s


class Weights(nn.Module):
    def __init__(self, nbytes: int) -> None:
        super().__init__()
        self.register_buffer("w", torch.arange(nbytes, dtype=torch.uint8))


def soon(timeout_s: float = 60.0) -> Deadline:
    return Deadline.after(timeout_s)


def make_cache(
    sizes: dict[str, int] = SIZES,
    *,
    limit: int = 20,
    reserve: int = 0,
    clock: Callable[[], float] | None = None,
) -> ModelCache:
    card = Card("cpu", limit_bytes=limit * GB)
    cache = ModelCache(card, idle_unload_s=60.0, reserve_bytes=reserve * GB, clock=clock or Clock())
    for name, size in sizes.items():
        cache.register(name, lambda size=size: load(size), size * GB)  # type: ignore[misc]
    return cache


def load(size: int) -> Loaded:
    module = Weights(size * GB)
    return Loaded(value=module, modules=[module])


def use(cache: ModelCache, *names: str) -> None:
    for name in names:
        with cache.lease(name, soon()):
            pass


def states(cache: ModelCache) -> dict[str, object]:
    return {str(model["name"]): model["state"] for model in cache.as_json()}


def wait_until(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_s, "did not come about"
        time.sleep(0.001)


@pytest.fixture
def moved_in(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes moved in, in units of GB, in order."""
    sizes: list[int] = []
    original = Residence.move_in

    def move_in(self: Residence) -> None:
        original(self)
        sizes.append(self.nbytes // GB)

    monkeypatch.setattr(Residence, "move_in", move_in)
    return sizes


# --- leases


def test_lease_loads_once_and_yields_the_value_in_place() -> None:
    cache = make_cache()
    loads: list[int] = []
    cache.register("extra", lambda: (loads.append(1), load(1))[1], GB)
    for _ in range(3):
        with cache.lease("extra", soon()) as value:
            assert isinstance(value, Weights)
            assert states(cache)["extra"] == "device"
            assert value.w.tolist() == [i % 256 for i in range(GB)]
    assert loads == [1]
    assert states(cache) == {"text": "unloaded", "image": "unloaded", "shape": "unloaded", "extra": "device"}


def test_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnavailableError, match="text, image, shape"):
        use(make_cache(), "imgae")


def test_measured_size_replaces_the_assumed_one() -> None:
    cache = make_cache({})
    cache.register("model", lambda: load(3), 7 * GB)
    assert cache.as_json()[0]["bytes"] == 7 * GB
    assert cache.as_json()[0]["size"] == "assumed"
    use(cache, "model")
    assert cache.as_json()[0]["bytes"] == 3 * GB
    assert cache.as_json()[0]["size"] == "measured"


def test_wrongly_assumed_size_does_not_matter_after_loading() -> None:
    cache = make_cache({})
    cache.register("model", lambda: load(3), 1000 * GB)
    use(cache, "model")
    assert states(cache) == {"model": "device"}


def test_leased_model_is_never_evicted() -> None:
    cache = make_cache()
    with cache.lease("image", soon()):
        use(cache, "text", "shape", "text")
        assert states(cache)["image"] == "device"
        assert cache.evict_idle() > 0
        assert states(cache)["image"] == "device"


def test_failed_work_ends_its_lease() -> None:
    cache = make_cache()
    with pytest.raises(ValueError, match="work"), cache.lease("image", soon()):
        raise ValueError("work")
    assert cache.as_json()[1]["leases"] == 0
    assert cache.evict_idle() == 12 * GB


def test_failed_load_passes_its_error_and_is_tried_again() -> None:
    cache = make_cache({})
    errors = [UnavailableError("weights are missing")]

    def flaky() -> Loaded:
        if errors:
            raise errors.pop()
        return load(1)

    cache.register("model", flaky, GB)
    with pytest.raises(UnavailableError, match="weights are missing"):
        use(cache, "model")
    assert states(cache) == {"model": "unloaded"}
    use(cache, "model")
    assert states(cache) == {"model": "device"}


def test_load_within_inference_mode_makes_ordinary_weights() -> None:
    cache = make_cache()
    with torch.inference_mode(), cache.lease("text", soon()) as value:
        assert not value.w.is_inference()


def test_model_larger_than_the_budget_is_refused_at_once() -> None:
    cache = make_cache({"huge": 19}, reserve=2)
    with pytest.raises(UnavailableError) as caught:
        use(cache, "huge")
    assert caught.value.detail["kind"] == "memory"
    assert caught.value.detail["limit"] == 18 * GB


def test_waiting_for_oneself_is_refused_at_once() -> None:
    cache = make_cache()
    use(cache, "text", "shape")
    cache.register("big", lambda: load(10), 10 * GB)
    use(cache, "big")
    with pytest.raises(UnavailableError, match="not beside image"), cache.lease("image", soon()):
        use(cache, "big")
    use(cache, "big")


def test_nested_leases_that_fit_are_fine() -> None:
    cache = make_cache()
    with cache.lease("text", soon()), cache.lease("image", soon()), cache.lease("text", soon()):
        assert [model["leases"] for model in cache.as_json()] == [2, 1, 0]


def test_lease_waits_for_room_until_another_ends() -> None:
    cache = make_cache({"a": 12, "b": 12})
    order: list[str] = []
    with ThreadPoolExecutor() as pool:
        with cache.lease("a", soon()):
            waiting = pool.submit(lambda: (use(cache, "b"), order.append("b")))
            time.sleep(0.05)
            order.append("a")
        waiting.result(60)
    assert order == ["a", "b"]


def test_lease_that_finds_no_room_fails_at_its_deadline() -> None:
    cache = make_cache({"a": 12, "b": 12})
    use(cache, "b")

    def try_b() -> None:
        with cache.lease("b", soon(0.1)):
            pytest.fail("no room")

    with ThreadPoolExecutor() as pool, cache.lease("a", soon()), pytest.raises(DeadlineError):
        pool.submit(try_b).result(60)
    use(cache, "b")


def test_passed_deadline_is_told_even_if_the_model_is_there() -> None:
    cache = make_cache()
    use(cache, "text")
    with pytest.raises(DeadlineError), cache.lease("text", soon(-1)):
        pass


def test_status_answers_and_others_work_while_a_model_loads() -> None:
    cache = make_cache()
    use(cache, "text")
    started, go = threading.Event(), threading.Event()

    def slow() -> Loaded:
        started.set()
        assert go.wait(60)
        return load(1)

    cache.register("slow", slow, GB)
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(use, cache, "slow")
        assert started.wait(60)
        assert states(cache)["slow"] == "loading"
        use(cache, "text")
        with pytest.raises(DeadlineError), cache.lease("slow", soon(0.05)):
            pass
        go.set()
        loading.result(60)
    assert states(cache)["slow"] == "device"


# --- eviction


def test_pipeline_that_goes_round_moves_10_gb_a_task_and_not_22(moved_in: list[int]) -> None:
    cache = make_cache()
    task = ("text", "image", "shape")
    use(cache, *task, *task)
    moved_in.clear()
    use(cache, *task)
    assert moved_in == [5, 5]
    assert states(cache)["image"] == "device"


def test_last_use_counts_from_the_end_of_the_last_lease(moved_in: list[int]) -> None:
    cache = make_cache({"a": 5, "b": 5, "c": 12})
    use(cache, "a", "b", "a")
    use(cache, "c")
    assert states(cache) == {"a": "device", "b": "host", "c": "device"}


def test_a_reserve_is_kept_beside_the_weights() -> None:
    cache = make_cache({"a": 5, "b": 5, "c": 5}, limit=17, reserve=3)
    use(cache, "a", "b", "c")
    assert cache.card.allocated_bytes() == 10 * GB


@dataclass
class Idle:
    name: str
    nbytes: int
    last_use_s: float


def test_among_equals_the_one_not_used_for_longest_goes() -> None:
    idle = [Idle("a", 50, 3.0), Idle("b", 52, 1.0), Idle("c", 49, 2.0), Idle("d", 60, 0.0)]
    victims = choose_victims(idle, 40)
    assert victims is not None
    assert [victim.name for victim in victims] == ["b"]


def test_more_models_than_can_be_compared_still_make_room() -> None:
    idle = [Idle(str(index), 1, float(index)) for index in range(30)]
    assert len(choose_victims(idle, 5) or []) == 5
    assert len(choose_victims(idle, 20) or []) >= 20
    assert choose_victims(idle, 31) is None


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100)), max_size=7),
    st.integers(-5, 200),
)
@settings(max_examples=200, deadline=None)
def test_victims_are_enough_and_cost_no_more_than_needed(models: list[tuple[int, int]], need: int) -> None:
    idle = [Idle(str(i), size, float(used)) for i, (size, used) in enumerate(models)]
    victims = choose_victims(idle, need)
    if victims is None:
        assert sum(size for size, _ in models) < need
        return
    freed = sum(victim.nbytes for victim in victims)
    assert freed >= need or not victims
    sizes = [size for size, _ in models]
    sums = [sum(choice) for count in range(len(sizes) + 1) for choice in combinations(sizes, count)]
    fewest = min(total for total in sums if total >= max(need, 0))
    assert freed <= SIMILAR * fewest


# --- running out of memory


@pytest.fixture
def refuse_moves(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """As many moves in as the list is long fail for want of memory."""
    refusals: list[int] = []
    original = Residence.move_in

    def move_in(self: Residence) -> None:
        if refusals:
            refusals.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        original(self)

    monkeypatch.setattr(Residence, "move_in", move_in)
    return refusals


def test_no_memory_despite_the_plan_evicts_all_idle_and_tries_again(refuse_moves: list[int]) -> None:
    cache = make_cache()
    use(cache, "text", "shape")
    refuse_moves.append(1)
    cache.register("small", lambda: load(1), GB)
    use(cache, "small")
    assert states(cache) == {"text": "host", "image": "unloaded", "shape": "host", "small": "device"}
    assert cache.card.allocated_bytes() == GB


def test_no_memory_at_all_is_a_503_and_leaves_the_cache_usable(refuse_moves: list[int]) -> None:
    cache = make_cache()
    use(cache, "shape")
    refuse_moves.extend([1, 1])
    with pytest.raises(UnavailableError) as caught:
        use(cache, "text")
    assert caught.value.detail["kind"] == "memory"
    assert states(cache) == {"text": "host", "image": "unloaded", "shape": "host"}
    use(cache, "text", "shape")
    assert cache.card.allocated_bytes() == 10 * GB


def test_other_errors_of_a_move_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()

    def lost(_: Residence) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="illegal"):
        patch.setattr(Residence, "move_in", lost)
        use(cache, "text")
    use(cache, "text")


# --- prefetch


def test_prefetch_moves_a_loaded_model_in_while_another_is_leased() -> None:
    cache = make_cache()
    use(cache, "text", "image", "shape")
    assert states(cache)["text"] == "host"
    with cache.lease("image", soon()):
        assert cache.prefetch("text")
        wait_until(lambda: states(cache)["text"] == "device")
        assert states(cache) == {"text": "device", "image": "device", "shape": "host"}
    assert not cache.prefetch("text"), "it is there"


def test_prefetch_never_evicts_what_is_leased_nor_loads() -> None:
    cache = make_cache({"a": 12, "b": 12, "c": 1})
    use(cache, "b", "a")
    with cache.lease("a", soon()):
        assert not cache.prefetch("b")
        assert not cache.prefetch("c")
    assert states(cache) == {"a": "device", "b": "host", "c": "unloaded"}


def test_prefetch_does_not_block_and_a_lease_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache({"small": 1, **SIZES})
    use(cache, "small")
    cache.evict_idle()
    use(cache, "text", "image", "shape")
    go = threading.Event()
    original = Residence.move_in

    def slow(self: Residence) -> None:
        assert go.wait(60)
        original(self)

    monkeypatch.setattr(Residence, "move_in", slow)
    assert cache.prefetch("text")
    assert states(cache)["text"] == "moving"
    assert not cache.prefetch("small"), "one move at a time"
    use(cache, "image")
    with ThreadPoolExecutor() as pool:
        leased = pool.submit(use, cache, "text")
        go.set()
        leased.result(60)
    assert states(cache)["text"] == "device"


def test_prefetch_does_not_put_out_something_larger() -> None:
    cache = make_cache()
    use(cache, "text", "image", "shape")
    with cache.lease("shape", soon()):
        assert not cache.prefetch("text"), "only the image model is idle"
    assert cache.prefetch("text")
    wait_until(lambda: states(cache)["text"] == "device")
    assert states(cache) == {"text": "device", "image": "device", "shape": "host"}


def test_prefetch_without_memory_evicts_nothing_more(refuse_moves: list[int]) -> None:
    cache = make_cache({"a": 5, "b": 6, "c": 7})
    use(cache, "a", "b", "c")
    cache.evict_idle(5 * GB)
    refuse_moves.append(1)
    assert cache.prefetch("a")
    wait_until(lambda: not cache._moving)
    assert not refuse_moves
    assert states(cache) == {"a": "host", "b": "device", "c": "device"}


def test_prefetch_without_a_thread_to_run_on_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()
    use(cache, "text", "image", "shape")

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not cache.prefetch("text")
    use(cache, "text")


def test_failed_prefetch_leaves_the_error_to_the_lease(refuse_moves: list[int]) -> None:
    cache = make_cache()
    use(cache, "text", "image", "shape")
    refuse_moves.extend([1, 1])
    assert cache.prefetch("text")
    wait_until(lambda: states(cache)["text"] == "host")
    use(cache, "text")


# --- idle models


def test_idle_models_leave_after_their_time_and_not_before() -> None:
    clock = Clock()
    cache = make_cache(clock=clock)
    use(cache, "text")
    clock.now_s += 40
    use(cache, "image")
    assert cache.unload_idle() == 0
    clock.now_s += 30
    assert cache.unload_idle() == 5 * GB
    with cache.lease("image", soon()):
        clock.now_s += 100
        assert cache.unload_idle() == 0
    clock.now_s += 61
    assert cache.unload_idle() == 12 * GB
    assert cache.card.allocated_bytes() == 0
    use(cache, "text")


def test_evict_idle_frees_at_least_what_is_asked_if_it_can() -> None:
    cache = make_cache()
    use(cache, "text", "image")
    assert cache.evict_idle(1) == 5 * GB
    assert cache.evict_idle(100 * GB) == 12 * GB
    assert cache.evict_idle(1) == 0


def test_status_tells_each_model() -> None:
    cache = make_cache()
    use(cache, "text")
    told = cache.as_json()[0]
    assert {key: told[key] for key in ("name", "state", "bytes", "size", "leases")} == {
        "name": "text",
        "state": "device",
        "bytes": 5 * GB,
        "size": "measured",
        "leases": 0,
    }
    assert cache.names == ["text", "image", "shape"]


# --- the watcher


class FullCard(Card):
    """A card whose driver reports `others_bytes` in use beside the weights."""

    others_bytes = 0
    emptied = 0

    def used_share(self) -> float:
        return (self.counted_bytes + self.others_bytes) / (20 * GB)

    def empty_cache(self) -> None:
        self.emptied += 1


def watched(clock: Clock) -> tuple[FullCard, ModelCache, Pressure, Watcher]:
    card = FullCard("cpu", limit_bytes=20 * GB)
    card.physical_bytes = 20 * GB
    cache = ModelCache(card, idle_unload_s=1e9, reserve_bytes=0, clock=clock)
    for name, size in SIZES.items():
        cache.register(name, lambda size=size: load(size), size * GB)  # type: ignore[misc]
    pressure = Pressure(clock=clock)
    return card, cache, pressure, Watcher(card, cache, pressure, 0.9, clock=clock)


def test_watcher_leaves_a_card_below_the_threshold_alone() -> None:
    card, cache, _, watcher = watched(Clock())
    use(cache, "text", "image")
    card.emptied = 0
    watcher.look()
    assert card.emptied == 0
    assert states(cache)["text"] == "device"


def test_watcher_evicts_idle_models_before_it_lowers_the_level() -> None:
    card, cache, pressure, watcher = watched(Clock())
    use(cache, "text", "image")
    card.others_bytes = 2 * GB
    watcher.look()
    assert states(cache) == {"text": "host", "image": "device", "shape": "unloaded"}
    assert pressure.level.index == 0


def test_watcher_lowers_the_level_when_nothing_can_go_and_then_waits() -> None:
    clock = Clock()
    card, cache, pressure, watcher = watched(clock)
    card.others_bytes = 7 * GB
    with cache.lease("image", soon()):
        watcher.look()
        watcher.look()
        assert pressure.level.index == 1
        clock.now_s += PAUSE_S
        watcher.look()
        assert pressure.level.index == 2
    assert "95%" in str(pressure.as_json()["reason"])


def test_watcher_goes_by_changed_limits_from_the_next_look_on() -> None:
    clock = Clock()
    _, cache, _, watcher = watched(clock)
    use(cache, "text", "image")
    watcher.change(threshold=0.5, idle_unload_s=1e9)
    watcher.look()
    assert "host" in states(cache).values()
    watcher.change(threshold=0.5, idle_unload_s=5.0)
    clock.now_s += 6
    watcher.look()
    assert "device" not in states(cache).values()


def test_the_budget_follows_the_threshold_unless_it_has_a_limit_of_its_own() -> None:
    card = open_card("cpu", limit_bytes=0, cleanup_threshold=0.9)
    assert card.total_bytes == int(0.9 * card.physical_bytes)
    card.plan_up_to(0.5)
    assert card.total_bytes == int(0.5 * card.physical_bytes)
    limited = open_card("cpu", limit_bytes=GB, cleanup_threshold=0.9)
    limited.plan_up_to(0.5)
    assert limited.total_bytes == GB


def test_watchers_thread_survives_errors_and_ends_when_told() -> None:
    looks: list[int] = []

    class Broken(Watcher):
        def look(self) -> None:
            looks.append(1)
            raise RuntimeError("NVML")

    card, cache, pressure, _ = watched(Clock())
    watcher = Broken(card, cache, pressure, interval_s=0.001)
    watcher.start()
    wait_until(lambda: len(looks) > 2)
    watcher.stop()
    ended = len(looks)
    time.sleep(0.01)
    assert len(looks) == ended


# --- many at once

MODELS = {"a": 5, "b": 12, "c": 5, "d": 1}
step = st.sampled_from(
    ["a", "b", "c", "d", "a+d", "fail a", "fail b", "late c", "prefetch b", "evict", "unload"]
)


def act(cache: ModelCache, what: str, check: Callable[[Any], None]) -> None:
    verb, _, name = what.rpartition(" ")
    if what in ("evict", "unload"):
        cache.evict_idle(3 * GB) if what == "evict" else cache.unload_idle()
    elif verb == "prefetch":
        cache.prefetch(name)
    elif verb == "fail":
        with pytest.raises(KeyboardInterrupt), cache.lease(name, soon()) as value:
            check(value)
            raise KeyboardInterrupt
    elif verb == "late":
        with pytest.raises(DeadlineError), cache.lease(name, soon(0)):
            pass
    else:
        with ExitStack() as held:
            values = [held.enter_context(cache.lease(each, soon())) for each in name.split("+")]
            for value in values:
                check(value)


@given(st.lists(st.lists(step, max_size=8), min_size=2, max_size=4), st.integers(13, 24))
@settings(max_examples=25, deadline=None)
def test_any_mix_of_threads_keeps_the_promises(plans: list[list[str]], limit: int) -> None:
    cache = make_cache(MODELS, limit=limit, clock=time.monotonic)
    cache.idle_unload_s = 1e-4

    def check(value: Any) -> None:
        home = next(m.residence for m in cache._models.values() if m.value is value)
        for _ in range(3):
            assert home is not None
            assert home.in_place, "a leased model stays"
            assert cache.card.allocated_bytes() <= limit * GB
            time.sleep(0)
        assert int(value.w[255]) == 255

    def run(plan: list[str]) -> None:
        for what in plan:
            act(cache, what, check)

    with ThreadPoolExecutor(len(plans)) as pool:
        for done in [pool.submit(run, plan) for plan in plans]:
            done.result(120)
    wait_until(lambda: not cache._moving)
    assert [model["leases"] for model in cache.as_json()] == [0, 0, 0, 0]
    placed = sum(m.nbytes for m in cache._models.values() if m.state == "device")
    assert cache.card.allocated_bytes() == placed
    cache.evict_idle()
    assert cache.card.allocated_bytes() == 0
