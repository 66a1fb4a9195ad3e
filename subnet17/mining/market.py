"""How we stand among the miners, now and over time.

From the metagraph: our share of the miners' reward, the rank by it, the emission. From the validators'
feedback, weighted by their stake: duel rating, average fidelity, reward, accepted results in their window.
One row an hour goes to the journal.

What it changes: nothing, unless `[miner] market_aware` is set. Then `quality_factor` scales the strategy's
`quality_worth`. That setting is reckoned at a duel rating of 1500; the reward is accepted results times
rating, so the same points are a greater part of a low rating than of a high one: the factor is 1500 by our
rating, within 0.5 to 2. At 1300 free time goes into candidates a little longer, at 1700 a little shorter.

Not covered: what other miners do, beyond the share they get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from subnet17.log import get_logger
from subnet17.mining.book import ValidatorState
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK, Clock

log = get_logger()

INTERVAL_S = 3600.0
FIRST_S = 120.0
"""After a start there is something to tell only when validators have answered."""
DAY_S = 86_400.0
COMPARED_S = 7 * DAY_S
PLAIN_RATING = 1500.0
FACTOR_LIMITS = (0.5, 2.0)


@dataclass(frozen=True)
class Standing:
    """Where we stand at one moment. None: nobody tells.

    Attributes:
        incentive: Our share of the miners' reward, 0..1.
        rank: 1 is the miner with the greatest incentive.
        miners: Neurons that earn as miners, and we.
        percentile: Share of the others among them that earn less, 0..1.
        emission: The subnet's own tokens of the last epoch.
        duel_rating, average_fidelity, reward: Of the validators that told one, weighted by stake.
        window_generations: Accepted results that all validators count in their window.
    """

    incentive: float | None = None
    rank: int | None = None
    miners: int | None = None
    percentile: float | None = None
    emission: float | None = None
    duel_rating: float | None = None
    average_fidelity: float | None = None
    reward: float | None = None
    window_generations: int | None = None

    def as_row(self) -> dict[str, float | int]:
        """For the journal and the log: what is known, in short figures."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if value is not None
        }


def standing_of(neurons: Iterable[Neuron], states: Iterable[ValidatorState], *, hotkey: str) -> Standing:
    """Where a hotkey stands by the metagraph and by what validators told."""
    told = [s for s in states if s.duel_rating > 0]
    return Standing(
        **_rank(list(neurons), hotkey),
        duel_rating=_weighted(told, lambda s: s.duel_rating),
        average_fidelity=_weighted(told, lambda s: s.average_fidelity),
        reward=_weighted(told, lambda s: s.last_reward),
        window_generations=sum(s.window_generations for s in told) if told else None,
    )


def _rank(neurons: list[Neuron], hotkey: str) -> dict[str, Any]:
    own = next((n for n in neurons if n.hotkey == hotkey), None)
    if own is None or own.incentive is None:
        return {}
    others = [n.incentive for n in neurons if n is not own and n.incentive]
    return {
        "incentive": own.incentive,
        "rank": 1 + sum(incentive > own.incentive for incentive in others),
        "miners": 1 + len(others),
        "percentile": sum(i < own.incentive for i in others) / len(others) if others else 1.0,
        "emission": own.emission,
    }


def _weighted(told: list[ValidatorState], value: Callable[[ValidatorState], float]) -> float | None:
    if not told:
        return None
    weights = [max(s.neuron.stake, 1.0) for s in told]
    return sum(w * value(s) for w, s in zip(weights, told, strict=True)) / sum(weights)


class Archive(Protocol):
    """Where rows are kept: the journal."""

    async def add_market(self, row: dict[str, Any]) -> None: ...

    async def market(self, since_s: float) -> Sequence[dict[str, Any]]: ...


class Market:
    """Our standing over time.

    Args:
        look: The standing now.
        archive: Rows of earlier hours, the latest last, each with its `at_s`.
    """

    def __init__(
        self, look: Callable[[], Standing], archive: Archive, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._look = look
        self._archive = archive
        self._clock = clock
        self._rows: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Keeps and tells one row an hour, over restarts too, for ever."""
        now_s = self._clock.wall_s()
        self._rows = list(await self._archive.market(now_s - COMPARED_S))
        since_s = now_s - self._rows[-1]["at_s"] if self._rows else INTERVAL_S
        await self._clock.sleep(min(INTERVAL_S, max(FIRST_S, INTERVAL_S - since_s)))
        while True:
            await self._keep(self._look())
            await self._clock.sleep(INTERVAL_S)

    async def _keep(self, standing: Standing) -> None:
        row = standing.as_row()
        if not row:
            return
        await self._archive.add_market(row)
        now_s = self._clock.wall_s()
        self._rows = [r for r in self._rows if r["at_s"] > now_s - COMPARED_S] + [{**row, "at_s": now_s}]
        log.info("market", **row, **{f"{name}_a_day_ago": v for name, v in self._then(DAY_S).items()})

    def _then(self, before_s: float) -> dict[str, Any]:
        """The standing so long ago; empty when there is no row of about then."""
        at_s = self._clock.wall_s() - before_s
        near = [r for r in self._rows if abs(r["at_s"] - at_s) <= 2 * INTERVAL_S]
        nearest = min(near, key=lambda r: abs(r["at_s"] - at_s), default={})
        return {name: nearest[name] for name in ("rank", "incentive", "duel_rating") if name in nearest}

    @property
    def quality_factor(self) -> float:
        """What `quality_worth` is to be multiplied by where the settings let the market move decisions."""
        rating = self._look().duel_rating
        least, most = FACTOR_LIMITS
        return min(most, max(least, PLAIN_RATING / rating)) if rating else 1.0

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        return {
            "now": self._look().as_row(),
            "a_day_ago": self._then(DAY_S),
            "a_week_ago": self._then(COMPARED_S - INTERVAL_S),
            "quality_factor": round(self.quality_factor, 3),
        }
