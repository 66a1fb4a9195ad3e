"""How good simulated assets are: numbers drawn from names, so that all policies meet the same luck.

An asset is worth `MEAN - difficulty(subject) + luck(subject, seed)`, and every so often a seed is a dud:
geometry that came out broken. Our own scorer sees that value through a little noise, each validator through
its bias and more noise. Does not cover: what real assets look like. The constants are assumptions, not
measurements.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass

MAGIC = b"\x28\xb5\x2f\xfd"
"""What an SPZ of this subnet begins with; the rest of a simulated asset says what it is worth."""
ASSET_BYTES = 2048

MEAN = 0.84
DIFFICULTY_SPREAD = 0.03
LUCK_SPREAD = 0.04
DUD_SHARE = 0.06
DUD_LOSS = 0.28
LOCAL_NOISE = 0.004
VALIDATOR_NOISE = 0.008
WORTHLESS = 0.1
"""The score of an asset that shows something else, or is none."""


@dataclass(frozen=True)
class Quality:
    """The values of one simulation.

    Args:
        seed: Of everything that is drawn here.
    """

    seed: int

    def value(self, subject: str, asset_seed: int) -> float:
        """What an asset is worth, 0..1.

        Args:
            subject: The prompt, or the base64 of the picture.
        """
        worth = MEAN - self.difficulty(subject) + self._draw("luck", subject, asset_seed, LUCK_SPREAD)
        if self.chance("dud", subject, asset_seed) < DUD_SHARE:
            worth -= DUD_LOSS
        return _clip(worth)

    def difficulty(self, subject: str) -> float:
        """How much worse than usual its assets come out."""
        return self._draw("difficulty", subject, "", DIFFICULTY_SPREAD)

    def local_score(self, subject: str, asset: bytes) -> float:
        """What our own validation server says."""
        worth = read_asset(asset).get(subject, WORTHLESS)
        return _clip(worth + self._draw("local", subject, worth, LOCAL_NOISE))

    def verdict(self, subject: str, asset: bytes, *, validator: str, bias: float) -> float:
        """What a validator says."""
        worth = read_asset(asset).get(subject, WORTHLESS)
        return _clip(worth + bias + self._draw(f"verdict {validator}", subject, worth, VALIDATOR_NOISE))

    def spread(self, what: str, subject: str, asset_seed: int) -> float:
        """A standard normal number of this name."""
        return self._draw(what, subject, asset_seed, 1.0)

    def chance(self, what: str, subject: str, asset_seed: int) -> float:
        """A number 0..1 of this name."""
        return random.Random(f"{self.seed}/{what}/{subject}/{asset_seed}").random()

    def _draw(self, what: str, subject: str, more: object, spread: float) -> float:
        return random.Random(f"{self.seed}/{what}/{subject}/{more}").gauss(0.0, spread)


def write_asset(subject: str, value: float) -> bytes:
    """The bytes of a simulated asset: a real one's beginning, and small, as size plays no part here."""
    return (MAGIC + json.dumps({subject: value}).encode()).ljust(ASSET_BYTES)


def read_asset(asset: bytes) -> dict[str, float]:
    """What an asset shows and what that is worth; empty when it is none."""
    try:
        tree = json.loads(asset.removeprefix(MAGIC))
    except ValueError:
        return {}
    return {k: v for k, v in tree.items() if math.isfinite(v)} if isinstance(tree, dict) else {}


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
