"""Turns what a user asks for into a prompt for one object that can be lifted into 3D.

Covers: one whole object, in the middle, seen from a useful angle, on a ground that is easy to take away.
Does not cover: style, which stays the user's. The user's words come first: CLIP reads 77 tokens and drops the
end, so what it loses is ours; T5 (or Qwen) reads the whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """One thing a picture must have.

    Attributes:
        text: Appended to the prompt.
        unless: Not appended where the prompt matches: then the user has said it, or something else.
    """

    text: str
    unless: re.Pattern[str]


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


WISHES = (
    Wish("a single whole object", _words(r"single|one object|isolated|whole|full[- ]body|entire|complete")),
    Wish("centred in the frame", _words(r"cent(?:er|r)ed|in the (?:middle|cent(?:er|re))")),
    Wish(
        "three-quarter view",
        _words(
            r"(?:front|side|back|rear|top|bottom|profile|three[- ]quarters?|3/4|eye[- ]level|bird'?s[- ]eye)"
            r"[- ]?(?:on )?(?:view|angle|shot)|view(?:ed)? from|seen from|isometric|in profile|top[- ]down"
        ),
    ),
    Wish("soft even light without shadows", _words(r"lighting|backlit|sunlit|rim light|shadows?|spotlight")),
)
GROUND = _words(
    r"background|backdrop|green ?screen|(?:on|against) (?:a )?(?:plain )?(?:white|black|grey|gray)"
)
PALE = _words(
    r"white|snow\w*|ivory|cream|pearl\w*|porcelain|chalk|polar bear|swan|paper|marble|ghost|silver|glass"
)
"""What would vanish on white."""


def shape_prompt(prompt: str) -> str:
    """The user's words, then the wishes that they leave open, ending in the ground."""
    added = [wish.text for wish in WISHES if not wish.unless.search(prompt)]
    if not GROUND.search(prompt):
        added.append("plain grey background" if PALE.search(prompt) else "plain white background")
    return ", ".join([prompt.strip().rstrip(".,;: "), *added])
