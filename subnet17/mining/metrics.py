"""The miner's figures: one log line every few minutes, JSON, and Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from subnet17.mining.feedback import UNPAID, Verdict


class Metrics:
    """Totals since the start of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tasks = 0
        self._generation_s = 0.0
        self._generated = 0
        self._generation_failures = 0
        self._scoring_failures = 0
        self._score = 0.0
        self._scored = 0
        self._last_reward = 0.0
        self._verdicts = dict.fromkeys(Verdict, 0)
        self._skips = 0
        self._pull_errors = 0
        self._submit_errors = 0
        self._events = Counter("miner_events", "What happened.", ["event"], registry=self.registry)
        gauges: dict[str, tuple[str, object]] = {
            "miner_generation_success_ratio": ("Of all generations.", lambda: self.success_rate),
            "miner_generation_seconds": ("Average of one generation.", lambda: self.average_generation_s),
            "miner_local_score": ("Average local validation score.", lambda: self.average_score),
            "miner_last_reward": ("As told with the last accepted result.", lambda: self._last_reward),
        }
        for name, (text, function) in gauges.items():
            Gauge(name, text, registry=self.registry).set_function(function)  # type: ignore[arg-type]

    @property
    def success_rate(self) -> float:
        """Share of generations that gave an asset; 0 before the first."""
        return _ratio(self._generated, self._generated + self._generation_failures)

    @property
    def average_generation_s(self) -> float:
        """Seconds per successful generation."""
        return _ratio(self._generation_s, self._generated)

    @property
    def average_score(self) -> float:
        """Of all candidates scored here."""
        return _ratio(self._score, self._scored)

    def generated(self, seconds: float) -> None:
        """A generation gave an asset."""
        self._generated += 1
        self._generation_s += seconds
        self._events.labels("generated").inc()

    def generation_failed(self) -> None:
        """A generation gave no asset."""
        self._generation_failures += 1
        self._events.labels("generation_failed").inc()

    def scoring_failed(self) -> None:
        """A try to score a candidate gave no score."""
        self._scoring_failures += 1
        self._events.labels("scoring_failed").inc()

    def scored(self, value: float) -> None:
        """A candidate got its local score."""
        self._scored += 1
        self._score += value

    def pull_failed(self) -> None:
        """A pull ended in an error."""
        self._pull_errors += 1
        self._events.labels("pull_failed").inc()

    def submit_failed(self) -> None:
        """A submit ended without a verdict."""
        self._submit_errors += 1
        self._events.labels("submit_failed").inc()

    def judged(self, verdict: Verdict, *, skip: bool, reward: float | None) -> None:
        """A validator answered a submit."""
        self._verdicts[verdict] += 1
        self._events.labels("skipped" if skip else verdict.value).inc()
        if verdict.is_final:
            self._tasks += 1
            self._skips += skip
        if reward is not None and verdict is Verdict.ACCEPTED:
            self._last_reward = reward

    def dropped(self) -> None:
        """A task ended without a verdict: the validator no longer knows it."""
        self._tasks += 1
        self._events.labels("dropped").inc()

    def as_json(self) -> dict[str, float | int]:
        """The figures of the log line and of the status page."""
        return {
            "tasks_processed": self._tasks,
            "accepted": self._verdicts[Verdict.ACCEPTED],
            "rejected": self._verdicts[Verdict.REJECTED],
            "skipped": self._skips,
            "unpaid": sum(self._verdicts[verdict] for verdict in UNPAID),
            "generation_success_rate": round(self.success_rate, 4),
            "average_generation_s": round(self.average_generation_s, 3),
            "average_local_score": round(self.average_score, 4),
            "last_reward": round(self._last_reward, 2),
            "scoring_errors": self._scoring_failures,
            "pull_errors": self._pull_errors,
            "submit_errors": self._submit_errors,
        }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
