"""Models: painted parts and named places, and how a family of objects is written.

A family is one function from a `Build` to a `Model`, in any module of `families/`:

    from subnet17.procedural.model import Build, Model, family
    from subnet17.procedural.shapes import box, ring
    from subnet17.procedural.sweeps import cylinder

    @family("stool", words=("stool", "bar stool"), primary="tan wood", secondary="brown wood")
    def make_stool(build: Build) -> Model:
        model = build.model()
        high = 1.4 if build.has("bar", "tall") else 0.8
        model.add("primary", cylinder(0.4, 0.08, bevel=0.03).moved(y=high), part="seat")
        model.add("secondary", ring(cylinder(0.05, high).moved(x=0.3, y=high / 2), 4), part="leg")
        model.anchor("top", (0, high, 0), size=0.6)
        return model

Singular words only: plurals are understood. The keyword arguments of `@family` are its roles and their paints
(`paint.py` says how a paint is written); `build.model(primary="grey hide")` overrides them for one variant.

Roles. The user's first colour word repaints "primary", the second "secondary" (or "accent"); material words
re-texture primary and secondary; finishes such as "rusty" go over primary, secondary and accent; "glowing"
lights "light" and "accent". Any other role ("dark", "glass", "eye") keeps its paint. `add` also takes a paint
itself in place of a role ("black rubber"), which nobody repaints.

Parts. `part="wheel"` lets "a car with white wheels" find them (singular again).

Anchors. Where other things go: "head_top" (size: the head's diameter), "eyes" (centre between them, size:
width of the head), "neck" (size: its diameter), "back", "hand_right", "top" (things stand on it), "inside"
(things are in it), "base". All of them have fallbacks from the bounding box. A family that is put on others
names the place in `worn="head_top"` and sets its own anchor "mount": that point is laid on the wearer's
anchor and scaled so that the sizes agree. A thing to hold sets "grip" (size: thickness of a fist around it).

Sizes. Author at any scale, feet at any height: the finished model is centred and its longest side becomes 1.
The style of a word such as "old" is applied by the kit; a family reads words that change its form:
`build.has("tall", "sports")` is true for words of the matched name and for adjectives.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from subnet17.procedural.paint import Paint, parse_paint
from subnet17.procedural.shapes import Array, Shape, join, rotation

T = TypeVar("T")


@dataclass(frozen=True)
class Anchor:
    """A named place: position (3,) in the model's units, and the size of what belongs there."""

    position: Array
    size: float


@dataclass(frozen=True)
class Part:
    """A shape in one paint, or fading into a second one.

    Attributes:
        shape: The triangles.
        role: Role or paint it was added with.
        paint: What it is painted with.
        name: What it is ("wheel"); empty if nobody would name it.
        fade: (V,) share of `fade_paint` per vertex, 0..1; None: one paint.
        fade_role, fade_paint: The second paint.
    """

    shape: Shape
    role: str
    paint: Paint
    name: str = ""
    fade: Array | None = None
    fade_role: str = ""
    fade_paint: Paint | None = None


@dataclass
class Model:
    """Parts and anchors of one object."""

    roles: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    anchors: dict[str, Anchor] = field(default_factory=dict)

    def add(
        self,
        role: str | Paint,
        *shapes: Shape,
        part: str = "",
        fade: tuple[str, Callable[[Array], Array]] | None = None,
    ) -> None:
        """Adds shapes.

        Args:
            role: A role of this model, or a paint (in words or parsed).
            shapes: One or more, which become one part.
            part: What a user would call it, in the singular.
            fade: (other role or paint, function from (V, 3) positions to its (V,) share in 0..1).

        Raises:
            ValueError: the role is neither known nor a readable paint.
        """
        shape = join(shapes) if len(shapes) > 1 else shapes[0]
        if isinstance(role, Paint):
            added = Part(shape, "", role, part)
        else:
            added = Part(shape, role, self._paint(role), part)
        if fade is not None:
            share = np.clip(np.asarray(fade[1](shape.vertices), dtype=float), 0.0, 1.0)
            added = replace(added, fade=share, fade_role=fade[0], fade_paint=self._paint(fade[0]))
        self.parts.append(added)

    def anchor(self, name: str, position: ArrayLike, size: float) -> None:
        """Names a place."""
        self.anchors[name] = Anchor(np.asarray(position, dtype=float), float(size))

    def include(self, other: Model) -> None:
        """Takes over the parts of another model."""
        self.parts += other.parts

    def bounds(self) -> Array:
        """(2, 3) lowest and highest corner of all parts."""
        corners = np.stack([part.shape.bounds() for part in self.parts])
        return np.stack([corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)])

    def place(self, name: str) -> Anchor:
        """The anchor of that name, or a sensible place on the bounding box."""
        return self.anchors.get(name) or _fallback(name, self.bounds())

    def placed(self, position: ArrayLike = (0, 0, 0), *, scale: float = 1.0, turn_deg: float = 0.0) -> Model:
        """The model scaled, turned about Y, then shifted, with its anchors."""
        matrix, shift = rotation("y", turn_deg) * scale, np.asarray(position, dtype=float)

        def move(points: Array) -> Array:
            return np.asarray(points @ matrix.T + shift)

        parts = [replace(p, shape=Shape(move(p.shape.vertices), p.shape.faces)) for p in self.parts]
        anchors = {n: Anchor(move(a.position), a.size * scale) for n, a in self.anchors.items()}
        return Model(dict(self.roles), parts, anchors)

    def _paint(self, role: str) -> Paint:
        return parse_paint(self.roles.get(role, role))


def _fallback(name: str, bounds: Array) -> Anchor:
    low, high = bounds
    middle, (width, height, depth) = (low + high) / 2, high - low
    x, y, z = middle
    footprint = min(width, depth)
    places = {
        "head_top": ((x, high[1], z), 0.7 * footprint),
        "eyes": ((x, y + 0.2 * height, high[2]), 0.6 * width),
        "neck": ((x, y + 0.25 * height, z), 0.6 * footprint),
        "hand_right": ((low[0], y, z), 0.1 * height),
        "hand_left": ((high[0], y, z), 0.1 * height),
        "back": ((x, y + 0.1 * height, low[2]), width),
        "front": ((x, y, high[2]), width),
        "torso": ((x, y, z), width),
        "side": ((high[0], y, z), height),
        "top": ((x, high[1], z), footprint),
        "inside": ((x, high[1] - 0.1 * height, z), footprint),
        "grip": ((x, low[1] + 0.15 * height, z), 0.12 * max(width, height, depth)),
        "mount": ((x, low[1], z), max(width, depth)),
    }
    position, size = places.get(name, ((x, low[1], z), max(width, depth)))
    return Anchor(np.array(position), float(max(size, 1e-3)))


@dataclass(frozen=True)
class Build:
    """What a family function is given.

    Attributes:
        rng: Seeded; the only source of chance.
        word: The word or words of the family that matched, e.g. "sports car".
        words: All single words of that name and of the adjectives before it.
        roles: The family's roles and paints.
    """

    rng: np.random.Generator
    word: str
    words: frozenset[str]
    roles: Mapping[str, str]

    def has(self, *words: str) -> bool:
        """Whether the prompt used one of these single words for this object."""
        return not self.words.isdisjoint(words)

    def model(self, **roles: str) -> Model:
        """An empty model with the family's roles, some of them repainted."""
        return Model({**self.roles, **roles})

    def vary(self, value: float, share: float = 0.1) -> float:
        """The value, larger or smaller by chance by up to that share."""
        return value * float(self.rng.uniform(1 - share, 1 + share))

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, by chance."""
        return options[int(self.rng.integers(len(options)))]


FamilyFunction = Callable[[Build], Model]


@dataclass(frozen=True)
class Family:
    """A kind of object that can be made.

    Attributes:
        name: Unique.
        words: Singular names of what it makes, lower case; more than one word for compounds.
        roles: Default paint by role.
        make: The function.
        worn: Anchor of the wearer where it goes; empty if it isn't worn or attached.
    """

    name: str
    words: tuple[str, ...]
    roles: Mapping[str, str]
    make: FamilyFunction
    worn: str = ""


_FAMILIES: dict[str, Family] = {}


def family(
    name: str, *, words: tuple[str, ...], worn: str = "", **roles: str
) -> Callable[[FamilyFunction], FamilyFunction]:
    """Registers a family function; see the module's docstring.

    Raises:
        ValueError: the name or one of the words is taken (it says by which family), or a paint can't be read.
    """

    def register(make: FamilyFunction) -> FamilyFunction:
        for known in _FAMILIES.values():
            clash = [name] if known.name == name else sorted(set(known.words) & set(words))
            if clash:
                where = " and ".join(f.__module__.rpartition(".")[2] for f in (make, known.make))
                raise ValueError(f"family {name!r}: {clash} taken by family {known.name!r} ({where})")
        for paint in roles.values():
            parse_paint(paint)
        _FAMILIES[name] = Family(name, words, roles, make, worn)
        return make

    return register


@cache
def families() -> Mapping[str, Family]:
    """All families by name; the first call imports every module of `families/`."""
    package = importlib.import_module("subnet17.procedural.families")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    return dict(_FAMILIES)
