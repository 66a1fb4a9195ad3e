"""A standing person, about 1.9 tall, and what can be put on: clothes, hair, armour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from subnet17.procedural import compose
from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, families
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, sphere, star, torus
from subnet17.procedural.sweeps import Ball, blend, capsule, cone, cylinder, extrude, lathe, tube

HAND = np.array([-0.43, 0.86, 0.2])
"""Middle of the right fist."""


class Figure:
    """Builds a person into a model; `head` scales the head, as for children and toys."""

    def __init__(self, model: Model, head: float) -> None:
        self.model, self.head = model, head
        self.face = np.array([0.0, 1.6 + 0.15 * head, 0.02])
        self.radius = 0.17 * head
        self._set_anchors()

    def _set_anchors(self) -> None:
        r, model = self.radius, self.model
        model.anchor("head_top", self.face + np.array([0, 0.62 * r, -0.05 * r]), size=2.05 * r)
        model.anchor("eyes", self.face + np.array([0, 0.1 * r, 1.02 * r]), size=2.0 * r)
        model.anchor("neck", (0, 1.55, 0.0), size=0.27)
        model.anchor("back", (0, 1.28, -0.19), size=0.55)
        model.anchor("torso", (0, 1.25, 0.0), size=0.55)
        model.anchor("hand_right", HAND, size=0.09)
        model.anchor("hand_left", HAND * [-1, 1, 1], size=0.09)

    def add_body(self, *, robe: bool) -> None:
        """Trunk, limbs, hands and boots; a robe reaches the floor."""
        trunk: list[Ball] = [
            ((-0.1, 1.38, 0), (0.1, 1.38, 0), 0.16, 0.16),
            ((0, 1.4, 0), (0, 1.0, 0), 0.17, 0.15),
            ((-0.06, 0.99, 0), (0.06, 0.99, 0), 0.14, 0.14),
        ]
        arm: list[Ball] = [
            ((0.25, 1.42, 0), (0.38, 1.14, -0.02), 0.095, 0.075),
            ((0.38, 1.14, -0.02), (0.42, 0.93, 0.13), 0.075, 0.065),
        ]
        self.model.add("primary", blend(trunk, softness=0.09), part="shirt")
        self.model.add("primary", pair(blend(arm, softness=0.03, cells=30)), part="shirt")
        fist: list[Ball] = [(HAND * [-1, 1, 1], 0.065), ((0.4, 0.87, 0.22), 0.045)]
        self.model.add("skin", pair(blend(fist, softness=0.02, cells=20)), part="hand")
        self.model.add("skin", capsule((0, 1.5, 0), (0, 1.62, 0.01), 0.075), part="neck")
        if robe:
            skirt = lathe([(0.16, 1.05), (0.24, 0.8), (0.32, 0.35), (0.4, 0.02), (0.34, 0.0)])
            self.model.add("secondary", skirt, part="shirt")
            self.model.add("accent", torus(0.39, 0.022).moved(y=0.05), part="trim")
            sleeve = (
                cylinder(0.12, 0.3, top_radius=0.08).pointed((-0.04, 0.22, -0.15)).moved(0.41, 0.98, 0.08)
            )
            self.model.add("primary", pair(sleeve), part="sleeve")
            return
        leg: list[Ball] = [
            ((0.1, 0.95, 0), (0.12, 0.5, 0.02), 0.125, 0.09),
            ((0.12, 0.5, 0.02), (0.12, 0.15, -0.01), 0.09, 0.075),
        ]
        self.model.add("secondary", pair(blend(leg, softness=0.04, cells=36)), part="trousers")
        boot: list[Ball] = [
            ((0.12, 0.26, -0.01), (0.12, 0.08, -0.01), 0.09, 0.085),
            ((0.12, 0.065, 0), (0.13, 0.06, 0.16), 0.075, 0.065),
        ]
        self.model.add("boots", pair(blend(boot, softness=0.03, cells=30)), part="boot")

    def add_head(self, *, big_eyes: bool) -> None:
        """Head with eyes, nose, mouth and ears."""
        r, x = self.radius, self.face
        skull: list[Ball] = [((0, 0.12 * r, 0), 0.93 * r), ((0, -0.45 * r, 0.12 * r), 0.6 * r)]
        self.model.add("skin", blend(skull, softness=0.3 * r, cells=34).at(x), part="head")
        self.model.add(
            "skin", ellipsoid(0.13 * r, 0.16 * r, 0.2 * r).at(x).moved(y=-0.1 * r, z=0.98 * r), part="muzzle"
        )
        self.model.add(
            "skin", pair(ellipsoid(0.12 * r, 0.24 * r, 0.18 * r).at((0.97 * r, x[1], x[2]))), part="ear"
        )
        smile = tube([(-0.28, -0.42, 0.84), (0, -0.5, 0.9), (0.28, -0.42, 0.84)], 0.045).scaled(r)
        self.model.add("crimson skin", smile.at(x), part="mouth")
        eye = 0.3 * r if big_eyes else 0.19 * r
        at = (0.37 * r, float(x[1] + 0.14 * r), float(x[2] + (0.78 if big_eyes else 0.82) * r))
        add_eyes(self.model, at, eye, iris="black plastic" if big_eyes else "white paint")
        if not big_eyes:
            brow = capsule((0.2, 0.45, 0.9), (0.55, 0.47, 0.8), 0.05).scaled(r)
            self.model.add("hair", pair(brow).at(x), part="eyebrow")

    def add_hair(self) -> None:
        """Short hair: a cap over the back and the top of the head."""
        r = self.radius
        cap = ellipsoid(1.06 * r, 1.05 * r, 1.06 * r).moved(y=0.2 * r, z=-0.12 * r)
        self.model.add(
            "hair", _cut(cap, lambda p: p[:, 1] * 0.7 > p[:, 2] * 0.75 - 0.08 * r).at(self.face), part="hair"
        )
        fringe = [
            ellipsoid(0.3 * r, 0.16 * r, 0.16 * r).moved(x * r, 0.84 * r, 0.66 * r - abs(x) * 0.3 * r)
            for x in (-0.45, 0, 0.45)
        ]
        self.model.add("hair", join(fringe).at(self.face), part="hair")

    def add_long_hair(self) -> None:
        """Hair down to the shoulders."""
        r = self.radius
        locks: list[Ball] = [
            ((x * r, 0.3 * r, -0.45 * r), (x * 1.15 * r, -1.7 * r, -0.65 * r), 0.5 * r, 0.3 * r)
            for x in (-0.65, 0, 0.65)
        ]
        self.model.add("hair", blend(locks, softness=0.15 * r).at(self.face), part="hair")

    def add_beard(self) -> None:
        """A short full beard."""
        r = self.radius
        balls: list[Ball] = [((-0.55 * r, -0.35 * r, 0.45 * r), (0.55 * r, -0.35 * r, 0.45 * r), 0.28 * r,
            0.28 * r),
                             ((0, -0.6 * r, 0.55 * r), (0, -0.95 * r, 0.6 * r), 0.42 * r,
                                 0.2 * r)]  # fmt: skip
        self.model.add("hair", blend(balls, softness=0.15 * r).at(self.face), part="beard")

    def add_long_beard(self) -> None:
        """A beard to the chest."""
        r = self.radius
        balls: list[Ball] = [((-0.55 * r, -0.35 * r, 0.45 * r), (0.55 * r, -0.35 * r, 0.45 * r), 0.3 * r,
            0.3 * r),
                             ((0, -0.6 * r, 0.6 * r), (0, -2.3 * r, 0.95 * r), 0.5 * r, 0.1 * r)]  # fmt: skip
        self.model.add("hair", blend(balls, softness=0.2 * r).at(self.face), part="beard")
        moustache = capsule((0.05, -0.28, 0.98), (0.5, -0.5, 0.85), 0.14, 0.05).scaled(r)
        self.model.add("hair", pair(moustache).at(self.face), part="beard")

    def add_belt(self) -> None:
        """A belt with a buckle."""
        self.model.add("accent", torus(0.175, 0.035).scaled(1.15, 1, 0.95).moved(y=1.0), part="belt")
        self.model.add("gold", box(0.1, 0.09, 0.04, bevel=0.012).moved(y=1.0, z=0.2), part="buckle")

    def add_shoulders(self) -> None:
        """Pauldrons, knee plates and a breastplate's rim."""
        plates = [ellipsoid(0.16, 0.12, 0.16).moved(0.3, 1.46), torus(0.15, 0.022).moved(0.3, 1.42)]
        self.model.add("accent", pair(plates[1]), torus(0.115, 0.025).moved(y=1.55), part="trim")
        self.model.add("primary", pair(plates[0]), pair(sphere(0.095).moved(0.12, 0.5, 0.045)), part="plate")
        self.model.add("accent", extrude(star(4, 0.11, 0.035), 0.04).moved(y=1.32, z=0.175), part="emblem")
        self.model.add(
            "primary",
            pair(torus(0.075, 0.035).pointed((0.1, -0.5, 0.35)).moved(0.41, 0.98, 0.1)),
            part="plate",
        )

    def add_full_helmet(self) -> None:
        """A closed helmet with a slit and a plume."""
        r, x = self.radius, self.face
        shell = lathe([(0.75, -1.0), (0.95, -0.8), (1.14, -0.1), (1.05, 0.6), (0.6, 1.08), (0, 1.2)]).scaled(
            r
        )
        self.model.add("primary", shell.at(x), part="helmet")
        slit = torus(1.12, 0.09).scaled(r)
        front = _cut(slit, lambda p: p[:, 2] > 0.25 * r).moved(y=0.12 * r)
        self.model.add("black rubber", front.at(x), part="visor")
        ridge = tube(
            [(0, -0.95, 0.9), (0, 0.2, 1.15), (0, 0.95, 0.75), (0, 1.22, 0), (0, 0.9, -0.8)], 0.08
        ).scaled(r)
        self.model.add("accent", ridge.at(x), torus(0.98 * r, 0.07 * r).at(x).moved(y=-0.75 * r), part="trim")
        plume = tube(
            [(0, 1.15, 0.1), (0, 1.8, -0.15), (0, 1.7, -0.9), (0, 0.9, -1.35)], [0.12, 0.26, 0.26, 0.06]
        ).scaled(r)
        self.model.add("red feather", plume.at(x), part="plume")

    def add_horned(self) -> None:
        """A helmet with horns."""
        self._wear("helmet", frozenset({"horned"}))

    def add_bubble_helmet(self) -> None:
        """A space helmet with a dark visor."""
        r, x = self.radius, self.face
        self.model.add("primary", sphere(1.4 * r).at(x).moved(z=-0.08 * r), part="helmet")
        visor = _cut(
            sphere(1.42 * r), lambda p: (p[:, 2] > 0.35 * r) & (np.abs(p[:, 1] - 0.05 * r) < 0.75 * r)
        )
        self.model.add("navy glass", visor.scaled(0.86, 1, 1.02).at(x), part="visor")
        rim = torus(0.98 * r, 0.09 * r).turned("x", 90).scaled(1.05, 0.85, 1)
        self.model.add(
            "accent", rim.at(x).moved(y=0.04 * r, z=0.86 * r), torus(0.16, 0.035).moved(y=1.56), part="trim"
        )
        self.model.add("slate plastic", box(0.2, 0.16, 0.06, bevel=0.02).moved(y=1.25, z=0.17), part="panel")
        lamps = [sphere(0.02).moved(-0.05 + 0.05 * i, 1.27, 0.205) for i in range(3)]
        self.model.add("red light", join(lamps), part="light")

    def add_pack(self) -> None:
        """A box on the back."""
        self.model.add("primary", box(0.38, 0.5, 0.2, bevel=0.05).moved(y=1.27, z=-0.26), part="backpack")
        self.model.add(
            "accent", pair(cylinder(0.05, 0.42, bevel=0.03).moved(0.1, 1.27, -0.38)), part="backpack"
        )

    def add_round_helmet(self) -> None:
        """A soldier's helmet."""
        r = self.radius
        self.model.add("primary", lathe([(1.12, 0.05), (1.16, 0.15), (1.0, 0.75), (0.5, 1.12), (0,
            1.18)]).scaled(r).at(self.face),
                       part="helmet")  # fmt: skip

    def add_hood(self) -> None:
        """A hood and mask that leave the eyes free."""
        r = self.radius
        shell = sphere(1.1 * r).scaled(1, 1.08, 1)
        open_front = _cut(shell, lambda p: ~((p[:, 2] > 0.5 * r) & (np.abs(p[:, 1] - 0.16 * r) < 0.27 * r)))
        self.model.add("hair", open_front.at(self.face), part="hood")
        band = torus(1.07 * r, 0.1 * r).moved(y=0.52 * r)
        self.model.add("accent", band.scaled(0.93, 1, 0.93).at(self.face), part="band")

    def add_gnome_hat(self) -> None:
        """A tall soft cone."""
        hat = tube([(0, 0.3, -0.05), (0, 1.0, -0.1), (0.05, 1.9, -0.3)], [1.15, 0.75, 0.08]).scaled(
            self.radius
        )
        self.model.add("red wool", hat.at(self.face), part="hat")

    def add_straw_hat(self) -> None:
        """A wide hat of straw."""
        hat = lathe([(0.6, 0.5), (1.9, 0.42), (1.9, 0.5), (0.95, 0.62), (0.85, 1.15), (0, 1.25)]).scaled(
            self.radius
        )
        self.model.add("straw", hat.at(self.face), part="hat")

    def add_chef_hat(self) -> None:
        """A white puffed hat."""
        puff: list[Ball] = [
            ((0.6 * np.cos(a), 1.75, 0.6 * np.sin(a)), 0.55) for a in np.arange(6) * np.pi / 3
        ]
        hat = join([cylinder(1.0, 0.8).moved(y=1.0), blend(puff, softness=0.15)]).scaled(self.radius)
        self.model.add("white fabric", hat.at(self.face), part="hat")

    def add_cape(self) -> None:
        """A cape from the shoulders."""
        self._wear("cape", frozenset())

    def add_emblem(self) -> None:
        """A star on the chest."""
        self.model.add("accent", extrude(star(5, 0.12, 0.055), 0.04).moved(y=1.33, z=0.165), part="emblem")

    def add_skirt(self) -> None:
        """A skirt to the knees."""
        self.model.add(
            "secondary", lathe([(0.17, 1.02), (0.24, 0.85), (0.34, 0.55), (0.3, 0.54)]), part="skirt"
        )

    def add_pointed_ears(self) -> None:
        """An elf's ears."""
        r = self.radius
        ear = (
            cone(0.2 * r, 0.9 * r)
            .scaled(1, 1, 0.5)
            .moved(y=0.4 * r)
            .turned("z", -62)
            .moved(0.85 * r, 0.05 * r)
        )
        self.model.add("skin", pair(ear).at(self.face), part="ear")

    def add_tusks(self) -> None:
        """Two lower tusks."""
        r = self.radius
        self.model.add(
            "ivory bone",
            pair(cone(0.1 * r, 0.35 * r).moved(0.25 * r, -0.28 * r, 0.9 * r)).at(self.face),
            part="tusk",
        )

    def add_staff(self) -> None:
        """A staff with a glowing stone in the right hand."""
        x, _, z = HAND
        self.model.add(
            "brown wood",
            tube([(x, 0.0, z), (x + 0.02, 0.9, z), (x, 1.75, z)], [0.028, 0.032, 0.04]),
            part="staff",
        )
        claw = [
            tube([(0, 1.7, 0), (0.1, 1.82, 0), (0.06, 1.98, 0)], 0.02).turned("y", 120 * k).moved(x, 0, z)
            for k in range(3)
        ]
        self.model.add("brown wood", join(claw), part="staff")
        self.model.add("cyan light", sphere(0.075).moved(x, 1.88, z), part="stone")

    def add_sword(self) -> None:
        """A plain sword in the right hand."""
        blade = extrude([(-0.035, 0), (0.035, 0), (0.03, 0.85), (0, 0.95), (-0.03, 0.85)], 0.025, taper=0.5)
        held = [
            blade.moved(y=0.1),
            capsule((0, -0.12, 0), (0, 0.08, 0), 0.024),
            box(0.24, 0.05, 0.05, bevel=0.015).moved(y=0.1),
        ]
        for shape, paint in zip(held, ("steel", "brown leather", "gold"), strict=True):
            self.model.add(paint, shape.turned("x", 52).at(HAND), part="sword")

    def put_on(self, name: str) -> None:
        """Wears a hat of another family."""
        self._wear(name, frozenset())

    def _wear(self, name: str, words: frozenset[str]) -> None:
        worn = families()[name]
        item = worn.make(Build(np.random.default_rng(0), name, words | set(name.split()), worn.roles))
        compose.wear(self.model, item, worn.worn)


def _cut(shape: Shape, keep: Callable[[Array], NDArray[np.bool_]]) -> Shape:
    """The faces whose centres a rule keeps."""
    centres = shape.vertices[shape.faces].mean(axis=1)
    return Shape(shape.vertices, shape.faces[keep(centres)])
