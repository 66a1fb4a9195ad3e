"""Our standing among the miners over time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog
from peers import MINER, HeldClock, neuron

from subnet17.mining.book import ValidatorState
from subnet17.mining.chain import Neuron
from subnet17.mining.market import COMPARED_S, DAY_S, INTERVAL_S, Market, Standing, standing_of
from subnet17.mining.protocol import Feedback

US = MINER.ss58_address


def miner(hotkey: str, incentive: float | None) -> Neuron:
    return neuron().model_copy(update={"hotkey": hotkey, "incentive": incentive, "emission": 3.0})


def validator(stake: float, rating: float, *, reward: float = 10.0, accepted: int = 48) -> ValidatorState:
    state = ValidatorState(neuron(stake=stake))
    state.note_feedback(
        Feedback(
            current_duel_rating=rating,
            average_fidelity_score=0.8,
            current_miner_reward=reward,
            generations_within_the_window=accepted,
        ),
        local_score=0.7,
    )
    return state


def test_rank_and_percentile_count_those_who_earn() -> None:
    neurons = [miner(US, 0.2), miner("5A", 0.5), miner("5B", 0.2), miner("5C", 0.1), miner("5D", 0.0)]
    standing = standing_of(neurons, [], hotkey=US)
    assert (standing.rank, standing.miners, standing.incentive, standing.emission) == (2, 4, 0.2, 3.0)
    assert standing.percentile == pytest.approx(1 / 3)


@pytest.mark.parametrize("neurons", [[], [miner("5A", 0.5)], [miner(US, None), miner("5A", 0.5)]])
def test_without_our_incentive_there_is_no_rank(neurons: list[Neuron]) -> None:
    assert standing_of(neurons, [], hotkey=US) == Standing()


def test_what_validators_tell_is_weighted_by_their_stake() -> None:
    states = [validator(3000, 1600, reward=20), validator(1000, 1200, reward=40), validator(9e9, 0)]
    standing = standing_of([], states, hotkey=US)
    assert standing.duel_rating == pytest.approx(1500)
    assert standing.reward == pytest.approx(25)
    assert standing.window_generations == 96


class Archive:
    """Rows in memory, dated by a clock."""

    def __init__(self, clock: HeldClock, rows: list[dict[str, Any]] | None = None) -> None:
        self.clock, self.rows = clock, rows or []

    async def add_market(self, row: dict[str, Any]) -> None:
        self.rows.append({**row, "at_s": self.clock.now_s})

    async def market(self, since_s: float) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["at_s"] >= since_s]


class Span(HeldClock):
    """Virtual time that ends."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        ends_s, sleep = self.now_s + seconds, self.sleep

        async def sleep_until_the_end(wait_s: float) -> None:
            await sleep(wait_s)
            if self.now_s > ends_s:
                raise asyncio.CancelledError

        self.sleep = sleep_until_the_end


async def watch(clock: HeldClock, archive: Archive, rank: Any = lambda: 5) -> Market:
    market = Market(lambda: Standing(rank=rank(), duel_rating=1600.0), archive, clock=clock)
    with pytest.raises(asyncio.CancelledError):
        await market.run()
    return market


async def test_one_row_an_hour_is_kept_and_compared_with_the_day_and_the_week_before() -> None:
    clock = Span(8 * DAY_S)
    archive = Archive(clock)
    start_s = clock.now_s
    with structlog.testing.capture_logs() as lines:
        market = await watch(clock, archive, lambda: int(100 - (clock.now_s - start_s) / DAY_S))
    assert len(archive.rows) == 8 * 24
    told = market.as_json()
    assert (told["now"]["rank"], told["a_day_ago"]["rank"], told["a_week_ago"]["rank"]) == (91, 92, 98)
    assert lines[-1]["rank_a_day_ago"] in {92, 93}


async def test_restarts_make_no_extra_rows() -> None:
    clock = HeldClock()
    archive = Archive(clock, [{"rank": 9, "at_s": clock.now_s - 600.0}])
    for _ in range(5):
        span = Span(INTERVAL_S / 2)
        await watch(span, archive)
    assert len(archive.rows) == 1


async def test_rows_in_memory_are_bounded() -> None:
    clock = Span(30 * DAY_S)
    market = await watch(clock, Archive(clock))
    assert len(market._rows) <= COMPARED_S / INTERVAL_S + 1


async def test_nothing_known_makes_no_row() -> None:
    clock = Span(DAY_S)
    archive = Archive(clock)
    market = Market(Standing, archive, clock=clock)
    with pytest.raises(asyncio.CancelledError):
        await market.run()
    assert archive.rows == []


@pytest.mark.parametrize(
    ("rating", "factor"), [(None, 1.0), (1500.0, 1.0), (1200.0, 1.25), (3000.0, 0.5), (1.0, 2.0)]
)
def test_quality_is_worth_more_to_a_low_rating_within_limits(rating: float | None, factor: float) -> None:
    clock = HeldClock()
    market = Market(lambda: Standing(duel_rating=rating), Archive(clock), clock=clock)
    assert market.quality_factor == pytest.approx(factor)
