"""What the optimizer may change: each key with its bounds and its step. Nothing else is ever touched.

The profile is the coarse choice (generation/profiles.py says what each takes of the settings' values), the
knobs are the fine one. Bounds are narrower than what the settings allow: they are where a change still makes
sense, not where it still works. Not covered: keys whose effect can't be measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

from subnet17.settings import LIVE, Settings, known_keys

PROFILE = "generation.profile"
PROFILES = ("speed", "balanced", "quality")
"""The more work, the later."""
FLUX_HUNYUAN = "flux-hunyuan"

Value = int | float | str
Changes = dict[str, Value]
"""`table.key` -> new value."""


@dataclass(frozen=True)
class Knob:
    """A number that may be changed.

    Attributes:
        name: `table.key`.
        low, high: The bounds, both included.
        step: Between two values.
        backend: The generator that it matters to; empty: all.
    """

    name: str
    low: float
    high: float
    step: float
    backend: str = ""

    def moved(self, value: float, steps: int) -> float | None:
        """The value so many steps further within the bounds; None where it would not move that way."""
        moved = round(min(self.high, max(self.low, value + steps * self.step)), 6)
        if (moved - value) * steps <= 0:
            return None
        return int(moved) if float(self.step).is_integer() else moved


KNOBS: dict[str, Knob] = {
    knob.name: knob
    for knob in (
        Knob("generation.num_inference_steps", 5, 60, 5, FLUX_HUNYUAN),
        Knob("generation.octree_resolution", 192, 512, 64, FLUX_HUNYUAN),
        Knob("generation.image_steps", 2, 8, 1, FLUX_HUNYUAN),
        Knob("generation.splat_count", 20_000, 300_000, 20_000),
        Knob("miner.max_candidates", 1, 8, 1),
        Knob("miner.self_validation_min_score", 0.5, 0.9, 0.05),
    )
}


def knobs_of(table: str, backend: str) -> list[Knob]:
    """The knobs of one table that matter to a generator."""
    return [k for k in KNOBS.values() if k.name.startswith(f"{table}.") and k.backend in {"", backend}]


def is_live(name: str) -> bool:
    """Whether a running process follows a change of this key."""
    table, key = name.split(".")
    return key in known_keys(table, LIVE)


def value_of(settings: Settings, name: str) -> Value:
    """What the settings say of `table.key`."""
    table, key = name.split(".")
    value: Value = getattr(getattr(settings, table), key)
    return value
