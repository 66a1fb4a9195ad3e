"""Four-legged animals from a row of measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from subnet17.procedural.anatomy import add_eyes, ears, horns, round_ears
from subnet17.procedural.growths import GROWTHS
from subnet17.procedural.model import Build, Model
from subnet17.procedural.shapes import Array, Shape, ellipsoid, join, pair, scatter, sphere
from subnet17.procedural.sweeps import Ball, blend, capsule, cone, lathe, tube


@dataclass(frozen=True)
class Measures:
    """Proportions of an animal whose body is about 1.3 long, and the looks of its head.

    Attributes:
        legs: Length. girth: half-width of the trunk. leg: radius of a leg.
        neck: (rise, reach) of the head from the shoulder. head: radius. muzzle: (length, radius).
        ear: pointed, floppy, round, large, long, huge or crest. tail: bushy, thin, tuft, curl, short, puff,
            plume or hair.
        paints: primary, secondary, accent.
        extra: What else grows on it: mane, lion mane, horns, antlers, trunk, wool, unicorn, hooves, or one
            of `growths.GROWTHS`.
    """

    legs: float
    girth: float
    leg: float
    neck: tuple[float, float]
    head: float
    muzzle: tuple[float, float]
    ear: str
    tail: str
    paints: tuple[str, str, str]
    extra: tuple[str, ...] = ()
    pattern: str = "belly"


class Beast:
    """Builds one four-legged animal into a model; feet at y = 0, nose towards +Z."""

    def __init__(self, model: Model, m: Measures, short: float, head_scale: float, build: Build) -> None:
        self.model, self.m, self.build = model, m, build
        self.legs = m.legs * short
        self.middle = self.legs + 0.62 * m.girth
        self.head = m.head * head_scale
        rise, reach = m.neck
        self.head_at = np.array([0.0, self.middle + rise + 0.2 * m.girth, 0.5 + reach])

    def add_all(self) -> None:
        """Everything, then the anchors."""
        extra = set(self.m.extra) | ({"unicorn"} if self.build.has("unicorn") else set())
        self._add_body(extra)
        self._add_head()
        self._add_tail()
        for name in sorted(extra):
            if name in GROWTHS:
                GROWTHS[name](self)
            adder = getattr(self, "_add_" + name.replace(" ", "_"), None)
            if adder:
                adder()
        if self.build.has("pegasus", "winged", "griffin", "gryphon", "hippogriff"):
            self._add_wings()
        self._set_anchors()

    def _feet(self) -> list[tuple[float, float]]:
        x = 0.62 * self.m.girth
        return [(x, 0.48), (-x, 0.5), (x, -0.52), (-x, -0.46)]

    def _add_body(self, extra: set[str]) -> None:
        m, y = self.m, self.middle
        bones: list[Ball] = [
            ((0, y, -0.42), (0, y + 0.02, 0.42), m.girth * 0.92, m.girth),
            (
                (0, y + 0.06, 0.45),
                tuple(self.head_at - [0, 0.1 * self.head, 0.06]),
                m.girth * 0.74,
                self.head * 0.78,
            ),
        ]
        for x, z in self._feet():
            knee = (x, self.legs * 0.5, z + (0.02 if z > 0 else -0.06))
            thigh = m.leg * (1.55 if z > 0 else 1.9)
            bones.append(((x * 0.9, y - 0.1 * m.girth, z * 0.9), knee, thigh, m.leg * 1.12))
            bones.append((knee, (x, m.leg, z), m.leg * 1.08, m.leg * 0.9))
            if "hooves" not in extra:
                bones.append(((x, m.leg * 0.75, z + 0.5 * m.leg), m.leg * 1.08))
        self.model.add("primary", blend(bones, softness=0.07, cells=64), part="body", fade=self._pattern())

    def _pattern(self) -> tuple[str, Callable[[Array], Array]]:
        m, y = self.m, self.middle
        seed = float(self.build.rng.uniform(0, 9))

        def belly(p: Array) -> Array:
            return np.asarray(np.clip((y - 0.55 * m.girth - p[:, 1]) * 9, 0, 1) * (np.abs(p[:, 2]) < 0.55))

        def stripes(p: Array) -> Array:
            band = np.sin(p[:, 2] * 26 + 7 * np.abs(p[:, 0]) + 3 * np.sin(p[:, 1] * 7 + seed))
            return np.asarray(np.clip(band * 4, 0, 1))

        def patches(p: Array) -> Array:
            field = np.sin(p[:, 2] * 6.1 + seed) * np.sin(p[:, 1] * 7.3 + 1 + seed) + 0.5 * np.sin(
                p[:, 0] * 9 + seed
            )
            return np.asarray(np.clip((field - 0.15) * 12, 0, 1))

        def panda(p: Array) -> Array:
            return np.asarray(
                np.clip((y - 0.3 * m.girth - p[:, 1]) * 12, 0, 1) + (np.abs(p[:, 2] - 0.42) < 0.17)
            )

        if self.build.has("panda"):
            return "accent", panda
        return {
            "belly": ("secondary", belly),
            "stripes": ("accent", stripes),
            "patches": ("accent", patches),
        }[m.pattern]

    def _add_head(self) -> None:
        m, h = self.m, self.head
        length, radius = m.muzzle
        radius *= h / m.head
        nose = np.array([0, -0.25 * h - 0.3 * length, 0.55 * h + length])
        bones: list[Ball] = [((0, 0, 0), h)]
        if length:
            bones.append(((0, -0.2 * h, 0.35 * h), tuple(nose), 0.72 * h, radius))
        skull = blend(bones, softness=0.05, cells=36).at(self.head_at)
        tone = "accent" if m.pattern == "stripes" else "secondary"
        fade = self._pattern()[1] if m.pattern == "stripes" else self._snout(nose)
        self.model.add("primary", skull, part="head", fade=(tone, fade))
        tip = self.head_at + nose
        if length:
            pad = "rose skin" if self.build.has("pig", "piglet") else "black rubber"
            ball = ellipsoid(0.5 * radius, 0.38 * radius, 0.35 * radius).at(tip)
            self.model.add(pad, ball.moved(y=0.45 * radius, z=0.85 * radius), part="nose")
        y, z = self.head_at[1:]
        eye = 0.16 * h if m.head > 0.3 else 0.2 * h
        eye *= 1.25 if self.build.has("cute", "puppy", "baby") else 1.0
        if self.build.has("panda"):
            self.model.add(
                "accent",
                pair(ellipsoid(0.3 * h, 0.34 * h, 0.2 * h).at((0.42 * h, y + 0.16 * h, z + 0.74 * h))),
            )
        add_eyes(self.model, (0.46 * h, float(y + 0.22 * h), float(z + 0.78 * h)), eye)
        self.model.add(
            "accent" if self.build.has("panda") else "primary", self._ears().at(self.head_at), part="ear"
        )

    def _snout(self, nose: Array) -> Callable[[Array], Array]:
        z = float(self.head_at[2] + nose[2] - 0.5 * self.m.muzzle[0])
        strength = 0.0 if self.m.ear == "huge" else 0.9
        return lambda p: np.asarray(np.clip((p[:, 2] - z) * 9, 0, strength))

    def _ears(self) -> Shape:
        h = self.head
        if self.m.ear == "crest":
            return cone(0.5 * h, 1.3 * h).turned("x", -40).moved(0, 0.75 * h, -0.45 * h)
        if self.m.ear == "pointed":
            return ears((0.5 * h, 0.65 * h, -0.1 * h), (0.5 * h, 0.95 * h, 0.3 * h), 16)
        if self.m.ear in {"round", "large"}:
            near, far = ((0.72, 0.72, 0.0), 0.36), ((0.95, 0.62, -0.1), 0.52)
            (x, y, z), radius = near if self.m.ear == "round" else far
            return round_ears((x * h, y * h, z * h), radius * h)
        flaps = {
            "long": ellipsoid(0.2, 0.85, 0.12).turned("z", -12).moved(0.45, 1.45, -0.1),
            "huge": ellipsoid(0.62, 1.0, 0.09).moved(x=0.55).turned("y", 28).moved(0.72, -0.08, -0.1),
            "floppy": ellipsoid(0.2, 0.62, 0.32).turned("z", 24).moved(0.95, -0.02, 0.0),
        }
        return pair(flaps[self.m.ear].scaled(h))

    def _add_tail(self) -> None:
        g, y, z = self.m.girth, self.middle, -0.42 - 0.8 * self.m.girth
        kinds: dict[str, tuple[list[tuple[float, float, float]], list[float]]] = {
            "bushy": ([(0, y + 0.1, z), (0, y + 0.02, z - 0.28), (0, y - 0.2, z - 0.5)], [0.07, 0.14, 0.03]),
            "thin": ([(0, y + 0.1, z), (0, y + 0.25, z - 0.25), (0, y + 0.55, z - 0.3)], [0.06, 0.05, 0.035]),
            "tuft": ([(0, y + 0.15, z), (0, y, z - 0.16), (0, y - 0.45, z - 0.18)], [0.045, 0.035, 0.03]),
            "hair": ([(0, y + 0.2, z), (0, y + 0.05, z - 0.2), (0, y - 0.6, z - 0.22)], [0.06, 0.11, 0.04]),
            "curl": ([(0, y, z), (0.08, y + 0.1, z - 0.08), (0, y + 0.16, z - 0.1),
                      (-0.06, y + 0.08, z - 0.12)], [0.035] * 4),
            "plume": ([(0, y + 0.1, z), (0, y + 0.2, z - 0.25), (0, y + 0.7, z - 0.22),
                       (0, y + 1.0, z - 0.42)],
                      [0.07, 0.16, 0.2, 0.07]),
            "puff": ([(0, y + 0.08, z), (0, y + 0.12, z - 0.1)], [0.14, 0.11]),
            "short": ([(0, y + 0.1, z), (0, y + 0.12, z - 0.12)], [0.09, 0.05]),
        }  # fmt: skip
        path, radii = kinds[self.m.tail]
        self.model.add("accent" if self.m.tail == "hair" else "primary", tube(path, radii), part="tail")
        if self.m.tail in {"tuft", "bushy"}:
            role = "accent" if self.m.tail == "tuft" else "secondary"
            self.model.add(role, ellipsoid(0.06, 0.12, 0.06).at(path[-1]), part="tail")
        self.model.anchor("back", (0, y + 0.9 * g, 0.1), size=1.1)

    def _add_hooves(self) -> None:
        r = self.m.leg
        hoof = lathe([(0, 0), (1.35 * r, 0.0), (1.1 * r, 1.3 * r), (0, 1.4 * r)], smooth=False)
        self.model.add("charcoal bone", *(hoof.moved(x, 0, z + 0.02) for x, z in self._feet()), part="foot")

    def _add_mane(self) -> None:
        top, back = (
            self.head_at + np.array([0, 1.0 * self.head, 0.05]),
            np.array([0, self.middle + 0.95 * self.m.girth, 0.22]),
        )
        middle = (top + back) / 2 + [0, 0.1, -0.16]
        section = 1.0 * np.array([[0.45, -1], [0.45, 1], [-0.45, 1], [-0.45, -1]])
        self.model.add("accent", tube([top, middle, back], [0.1, 0.17, 0.07], section=section), part="mane")
        lock = ellipsoid(0.07, 0.16, 0.05).at(self.head_at).moved(y=0.85 * self.head, z=0.7 * self.head)
        self.model.add("accent", lock, part="mane")

    def _add_lion_mane(self) -> None:
        h, rng = self.head, self.build.rng
        lock = lathe([(0, -0.3), (0.3, 0.1), (0.2, 0.6), (0, 1.0)], sides=10)
        a = rng.uniform(0, 2 * np.pi, 120)
        ringed = rng.uniform(0.75, 1.0, 120) * h
        out = np.stack([np.sin(a), np.cos(a), rng.uniform(-0.9, 0.25, 120)], axis=1)
        points = self.head_at + out * ringed[:, None] * [1, 1, 0.8] + np.array([0, -0.15 * h, -0.2 * h])
        self.model.add(
            "accent",
            scatter(lock, points, directions=out, sizes=rng.uniform(0.45, 0.65, 120) * h),
            part="mane",
        )
        self.model.add(
            "accent", sphere(1.25 * h).scaled(1, 1.05, 0.6).at(self.head_at).moved(y=-0.2 * h, z=-0.5 * h)
        )

    def _add_horns(self) -> None:
        h = self.head
        curl = tube(
            [(0.5 * h, 0.6 * h, 0), (1.15 * h, 0.8 * h, 0.05), (1.3 * h, 1.35 * h, 0.1)],
            [0.17 * h, 0.14 * h, 0.03 * h],
        )
        self.model.add("ivory bone", pair(curl).at(self.head_at), part="horn")

    def _add_antlers(self) -> None:
        h = self.head
        stem = tube(
            [(0.3 * h, 0.7 * h, 0), (0.9 * h, 1.6 * h, -0.2), (1.4 * h, 2.9 * h, 0.0)],
            [0.16 * h, 0.13 * h, 0.05 * h],
        )
        tines = [
            capsule((0.75 * h, 1.35 * h, -0.12), (0.6 * h, 2.2 * h, 0.25), 0.09 * h, 0.03 * h),
            capsule((1.05 * h, 2.0 * h, -0.17), (0.8 * h, 2.9 * h, 0.05), 0.09 * h, 0.03 * h),
            capsule((1.1 * h, 2.1 * h, -0.15), (1.9 * h, 2.5 * h, -0.2), 0.09 * h, 0.03 * h),
        ]
        self.model.add("tan bone", pair(join([stem, *tines])).at(self.head_at), part="antler")

    def _add_unicorn(self) -> None:
        h = self.head
        spire = lathe([(0.2 * h, 0), (0.0, 2.0 * h)], smooth=False).turned("x", 38)
        self.model.add("gold", spire.at(self.head_at).moved(y=0.75 * h, z=0.5 * h), part="horn")

    def _add_trunk(self) -> None:
        h, (x, y, z) = self.head, self.head_at
        path = [
            (x, y - 0.15 * h, z + 0.7 * h),
            (x, y - 0.8 * h, z + 1.25 * h),
            (x, y - 1.9 * h, z + 1.2 * h),
            (x, y - 2.2 * h, z + 1.6 * h),
        ]
        self.model.add("primary", tube(path, [0.42 * h, 0.3 * h, 0.2 * h, 0.15 * h]), part="trunk")
        tusk = [(0.42 * h, -0.5 * h, 0.6 * h), (0.55 * h, -1.0 * h, 1.1 * h), (0.5 * h, -0.85 * h, 1.65 * h)]
        self.model.add(
            "ivory bone", pair(tube(tusk, [0.13 * h, 0.11 * h, 0.03 * h])).at(self.head_at), part="tusk"
        )

    def _add_wool(self) -> None:
        if self.build.has("goat"):
            self.model.add(
                "ash bone", horns((0.3 * self.head, 0.6 * self.head, -0.1), 0.06, 0.4, 14).at(self.head_at)
            )
            return
        rng, g = self.build.rng, self.m.girth
        out = rng.normal(0, 1, (150, 3))
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        points = out * [1.02 * g, 1.0 * g, 0.78] + np.array([0, self.middle + 0.05, 0])
        self.model.add(
            "primary", scatter(sphere(0.12), points, sizes=rng.uniform(0.8, 1.25, 150)), part="wool"
        )
        self.model.add("primary", sphere(0.6 * self.head).at(self.head_at).moved(y=0.75 * self.head))

    def _add_wings(self) -> None:
        g, y = self.m.girth, self.middle
        feather = ellipsoid(0.1, 0.42, 0.02).moved(y=0.4)
        t = np.linspace(0, 1, 12)
        points = np.stack([g + 0.5 * t, y + 0.3 * g + 0.55 * t, 0.25 - 0.2 * t], axis=1)
        lean = np.stack([0.4 + 0 * t, 0.25 + 0.8 * t, -1.0 + 0.5 * t], axis=1)
        self.model.add(
            "white feather", pair(scatter(feather, points, directions=lean, sizes=0.8 + 0.6 * t)), part="wing"
        )
        self.model.add(
            "white feather", pair(tube(points[[0, 4, 8, 11]], [0.09, 0.08, 0.06, 0.04])), part="wing"
        )

    def _set_anchors(self) -> None:
        h, (x, y, z) = self.head, self.head_at
        crest = 0.95 * h
        self.model.anchor("head_top", (x, y + crest, z), size=1.5 * h)
        self.model.anchor("eyes", (x, y + 0.22 * h, z + 1.0 * h), size=1.8 * h)
        self.model.anchor("neck", (x, y - 0.75 * h, z - 0.25 * h), size=1.7 * max(h, 0.75 * self.m.girth))
        self.model.anchor("torso", (0, self.middle, 0.1), size=2.2 * self.m.girth)
        self.model.anchor("top", (0, self.middle + 0.95 * self.m.girth, 0), size=0.9)
        self.model.anchor("hand_right", (x, y - 0.3 * h, z + h + self.m.muzzle[0]), size=0.08)
