"""From a prompt to a coloured mesh."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import trimesh
from PIL import Image

from subnet17.procedural import compose
from subnet17.procedural.details import DETAILS
from subnet17.procedural.finish import finish_mesh
from subnet17.procedural.model import Build, Model, families
from subnet17.procedural.picture import inflate_picture
from subnet17.procedural.prompt import Relation, Thing, Understanding, nouns, understand
from subnet17.procedural.style import dress, dress_part

ATTACHED = frozenset(["wearing", "holding", "with", "without", "topped", "filled"])
"""Relations that belong to each copy; the others surround the whole group."""
ABSTRACT = "abstract"
"""The family that stands in for what is not known."""
EMBLEMS = frozenset(["emblem", "crest", "logo", "insignia", "symbol", "pattern", "engraving"])
"""Parts that show something: a relief of it, on the front."""
LEFT_HANDED = frozenset(["shield"])
"""Families that are held in the left hand if there is one."""
OWN_WEAPONS = frozenset(["sword", "staff", "stone"])
"""Parts that a figure comes with in its right hand; it drops them for what the prompt gives it."""


@dataclass(frozen=True)
class Made:
    """A finished object.

    Attributes:
        mesh: One mesh with uint8 RGBA per vertex, centred, +Y up, front towards +Z, longest side 1.
        understanding: What was understood of the prompt; None for an image.
        notes: What was not understood or not done, one sentence each.
    """

    mesh: trimesh.Trimesh
    understanding: Understanding | None = None
    notes: list[str] = field(default_factory=list)


def make_model(prompt: str, *, seed: int) -> Made:
    """Makes what a prompt asks for, as far as it is understood.

    The same prompt and seed give the same bytes, in every process. An unknown subject gives an abstract
    object in the known colours, and a note that says so.
    """
    model, understanding, notes = compose_model(prompt, seed=seed)
    number = _number(prompt, seed)
    heads = {thing.noun for thing in (understanding.subject, *(r.thing for r in understanding.relations))}
    for word in understanding.unknown_words:
        if word not in heads:
            notes.append(f"unknown word {word!r}: left out")
    return Made(finish_mesh(model, seed=number), understanding, notes)


def compose_model(prompt: str, *, seed: int) -> tuple[Model, Understanding, list[str]]:
    """The painted parts of what `make_model` makes, before they become a mesh: a hundredth of its work."""
    understanding = understand(prompt)
    maker = _Maker(_number(prompt, seed))
    return maker.compose(understanding), understanding, maker.notes


def make_model_from_image(image: Image.Image, *, seed: int) -> Made:
    """Makes a body with the silhouette and the colours of the object in a picture.

    Args:
        image: The object on a transparent or plain background.
        seed: Taken for symmetry with `make_model`; nothing is left to chance here.

    Raises:
        InvalidInputError: nothing stands out from the background.
    """
    del seed
    note = "made from the picture's silhouette and colours only: depth and hidden sides are guessed"
    return Made(inflate_picture(image), None, [note])


def _number(prompt: str, seed: int) -> int:
    text = f"{seed}:{' '.join(prompt.lower().split())}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class _Maker:
    """One prompt's work: builds things with their own share of chance and joins them."""

    def __init__(self, number: int) -> None:
        self._seeds = np.random.default_rng(number)
        self.notes: list[str] = []

    def compose(self, understanding: Understanding) -> Model:
        """The subject with everything that belongs to it."""
        subject = understanding.subject
        if subject.family is None:
            named = f"unknown word {subject.noun!r}" if subject.noun else "no object named"
            self.notes.append(f"{named}: made an abstract object in its place")
        attached = [r for r in understanding.relations if r.kind in ATTACHED]
        around = [r for r in understanding.relations if r not in attached]
        copies = [self._with_all(subject, attached) for _ in range(subject.count)]
        model = copies[0] if len(copies) == 1 else compose.line_up(copies)
        for relation in around:
            model = self._put(model, relation)
        return model

    def _with_all(self, subject: Thing, relations: list[Relation]) -> Model:
        model = self._build(subject)
        for relation in relations:
            self._attach(model, relation)
        return model

    def _build(self, thing: Thing) -> Model:
        family = families()[thing.family or ABSTRACT]
        rng = np.random.default_rng(int(self._seeds.integers(2**63)))
        return dress(family.make(Build(rng, thing.noun, thing.words, family.roles)), thing)

    def _attach(self, model: Model, relation: Relation) -> None:
        thing = relation.thing
        if relation.kind == "without":
            model.parts = [p for p in model.parts if p.name != thing.noun] or model.parts
        elif self._goes_inside(model, relation):
            compose.fill(model, [self._build(thing) for _ in range(3)])
        elif thing.likeness and thing.noun in EMBLEMS:
            self._emboss(model, thing)
        elif relation.kind in {"with", "topped"} and dress_part(model, thing.noun, thing):
            return
        elif thing.noun in DETAILS:
            rng = np.random.default_rng(int(self._seeds.integers(2**63)))
            DETAILS[thing.noun](model, thing, rng)
        elif thing.family is None:
            self.notes.append(f"{relation.kind} {thing.noun!r}: not something this can add, left out")
        else:
            self._attach_known(model, relation, worn=families()[thing.family].worn)

    def _goes_inside(self, model: Model, relation: Relation) -> bool:
        """Whether a vessel is to hold something: "a bowl of apples", "a vase with flowers"."""
        family = relation.thing.family
        if family is None or "inside" not in model.anchors or families()[family].worn:
            return False
        return relation.kind == "filled" or (relation.kind == "with" and relation.thing.noun in DETAILS)

    def _attach_known(self, model: Model, relation: Relation, *, worn: str) -> None:
        item = self._build(relation.thing)
        if worn and relation.kind != "holding":
            compose.wear(model, item, worn)
        elif relation.kind == "wearing":
            compose.wear(model, item, "head_top")
        elif relation.kind == "topped":
            compose.crown(model, item)
        elif relation.kind == "holding" or "hand_right" in model.anchors:
            self._hold(model, item, relation.thing)
        else:
            compose.set_beside(model, item, share=0.45)

    def _hold(self, model: Model, item: Model, thing: Thing) -> None:
        free = [hand for hand in ("hand_right", "hand_left") if hand in model.anchors] or ["hand_right"]
        hand = free[-1] if thing.family in LEFT_HANDED else free[0]
        if hand == "hand_right":
            model.parts = [p for p in model.parts if p.name not in OWN_WEAPONS] or model.parts
        compose.hold(model, item, hand=hand)
        if len(free) > 1:
            del model.anchors[hand]

    def _emboss(self, model: Model, thing: Thing) -> None:
        look = thing if thing.colours or thing.materials else replace(thing, materials=("gold",))
        shown = replace(look, noun=thing.likeness, family=nouns()[tuple(thing.likeness.split())])
        model.parts = [p for p in model.parts if p.name not in {"emblem", "boss"}] or model.parts
        relief = self._build(replace(shown, words=shown.words | {"sculpture"}))
        compose.emboss(model, relief)

    def _put(self, model: Model, relation: Relation) -> Model:
        if relation.thing.family is None:
            self.notes.append(f"{relation.kind} {relation.thing.noun!r}: not known, left out")
            return model
        other = self._build(relation.thing)
        if relation.kind == "on":
            return compose.stand_on(model, other)
        if relation.kind == "in":
            return compose.put_in(model, other)
        if relation.kind == "under":
            return compose.hang_under(model, other)
        compose.set_beside(model, other, share=1.0)
        return model
