"""How well an asset fits its prompt, by drawing what the embedded generator would and comparing.

Covers: subjects, accessories and colours that the generator knows; colour and material words of subjects
that it doesn't; the outline and the colours of a picture.
Does not cover: poses, actions, texts, fine detail, anything the generator can't draw. What isn't known is
neutral and said in the notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from subnet17.procedural.make import ABSTRACT
from subnet17.procedural.model import families
from subnet17.procedural.prompt import Understanding, understand
from subnet17.validation.scoring.colour_words import asked_colours, colour_presence
from subnet17.validation.scoring.likeness import Likeness, compare, view_matrices
from subnet17.validation.scoring.picture import crop_views, reduce_picture
from subnet17.validation.scoring.quality import Float32
from subnet17.validation.scoring.ramps import rise
from subnet17.validation.scoring.silhouettes import Silhouettes, reduce_views
from subnet17.validation.scoring.sketch import draw_prompt

NEUTRAL = 0.65
"""Given where nothing can be said: neither a reward nor a punishment."""
REFERENCE_SEEDS = (2_718_281_828, 3_141_592_653, 1_618_033_988)
"""Of the sketches a prompt is compared with. An asset made with one of them would be compared with itself."""
MOST_CONTRASTS = 64
"""Families whose sketches stand for "something else"."""
CONTRAST_RANK = 0.9
"""An asset is held against the likeness that one in ten other families reach by chance."""


@dataclass(frozen=True)
class Alignment:
    """A verdict in 0..1 with what it rests on."""

    score: float
    notes: list[str] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)


class Aligner:
    """Judges views against prompts. Holds the sketches of other families, and of the last 256 prompts."""

    def __init__(self) -> None:
        names = [name for name in sorted(families()) if name != ABSTRACT]
        chosen = names[:: -(-len(names) // MOST_CONTRASTS)] if names else []
        self._contrasts = {n: draw_prompt(families()[n].words[0], seed=REFERENCE_SEEDS[0]) for n in chosen}
        self._sketches: Callable[[str], list[Silhouettes]] = lru_cache(maxsize=256)(_draw_references)

    def align_text(self, images: Float32, alphas: Float32, prompt: str) -> Alignment:
        """Judges (16, 259, 259, 3) views over white in 0..1 and their alphas against a text."""
        seen = reduce_views(images, alphas)
        understanding = understand(prompt)
        if understanding.family is None:
            return _judge_colours(seen, understanding)
        likeness = _best(compare(seen, self._sketches(prompt)))
        return self._judge_likeness(seen, likeness, understanding)

    def align_image(self, images: Float32, alphas: Float32, image: NDArray[np.uint8]) -> Alignment:
        """Judges them against an (H, W, 3) uint8 picture: the view that fits it best."""
        shape, colour = view_matrices(crop_views(images, alphas), [reduce_picture(image)])
        likeness = _best([Likeness(float(s), float(c)) for s, c in zip(shape.flat, colour.flat, strict=True)])
        # Once cut out and fitted to a frame, most compact objects have much the same outline.
        outline = rise(likeness.shape, low=0.4, high=1.0)
        score = outline**0.4 * rise(likeness.colour, low=0.1, high=0.8) ** 0.6
        notes = ["the picture is compared by its outline and colours with the view that fits best"]
        return Alignment(score, notes, likeness._asdict())

    def _judge_likeness(
        self, seen: Silhouettes, likeness: Likeness, understanding: Understanding
    ) -> Alignment:
        others = [s for name, s in self._contrasts.items() if name != understanding.family]
        chance = float(np.quantile([other.shape for other in compare(seen, others)], CONTRAST_RANK))
        by_itself = rise(likeness.shape, low=0.45, high=1.0)
        by_contrast = rise(likeness.shape - chance, low=-0.3, high=0.15)
        colour = rise(likeness.colour, low=-0.05, high=0.7)
        if not asked_colours(understanding):
            colour = 0.4 + 0.6 * colour  # a colour that nobody asked for is free, within reason
        parts = likeness._asdict() | {"chance": chance, "colour_verdict": colour}
        score = (0.6 * by_itself + 0.4 * by_contrast) ** 0.6 * colour**0.4
        return Alignment(score, _notes_on(understanding), parts)


def _draw_references(prompt: str) -> list[Silhouettes]:
    return [draw_prompt(prompt, seed=seed) for seed in REFERENCE_SEEDS]


def _best(found: list[Likeness]) -> Likeness:
    return max(found, key=lambda likeness: likeness.shape + 0.5 * likeness.colour)


def _judge_colours(seen: Silhouettes, understanding: Understanding) -> Alignment:
    subject = f"the subject {understanding.subject.noun!r}" if understanding.subject.noun else "no subject"
    note = f"{subject} is not known to the embedded scorer: its shape is not judged"
    colours = asked_colours(understanding)
    if not colours:
        return Alignment(NEUTRAL, [note + ", and no colours are asked for"], {"presence": 1.0})
    presence = colour_presence(seen, colours)
    return Alignment(NEUTRAL * (0.55 + 0.6 * presence), [note + ", only its colours"], {"presence": presence})


def _notes_on(understanding: Understanding) -> list[str]:
    if not understanding.unknown_words:
        return []
    return [f"not judged, because not known: {', '.join(understanding.unknown_words)}"[:300]]
