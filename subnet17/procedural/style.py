"""How the prompt's colours, materials and finishes repaint a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from subnet17.procedural.model import Model, Part
from subnet17.procedural.paint import FINISHES, Paint
from subnet17.procedural.prompt import Thing
from subnet17.procedural.shapes import Shape
from subnet17.procedural.vocabulary import EFFIGIES, SIZES

PATTERNS = frozenset(["striped", "spotted", "checkered", "camouflage", "rainbow", "starry", "gradient"])
"""Finishes that belong on the main surface only; wear and dirt go everywhere."""

ORDER = ("primary", "secondary", "accent")
SAME_PART = {
    "tyre": "wheel", "tire": "wheel", "rim": "wheel", "paw": "foot", "hoof": "foot", "snout": "muzzle",
    "nose": "muzzle", "headlamp": "headlight", "lamp": "light", "moustache": "beard", "mustache": "beard",
    "jean": "trousers", "pants": "trousers", "pant": "trousers", "jeans": "trousers", "trouser": "trousers",
    "jacket": "shirt", "coat": "shirt", "suit": "shirt", "dress": "shirt", "tunic": "shirt",
    "robe": "shirt", "shoe": "boot", "cushion": "seat", "hilt": "handle", "fur": "body", "skin": "body",
    "hood": "body", "crown": "leaf", "bark": "trunk", "icing": "topping", "frosting": "topping",
        "pommel": "guard",
        "gemstone": "gem",
    "jewel": "gem", "stand": "base", "holder": "base", "chain": "strap",
}  # fmt: skip
"""Part names that may stand for another when an object lacks the first."""


def dress(model: Model, thing: Thing) -> Model:
    """The model in the colours, materials, finishes and proportions of a noun phrase."""
    roles = [role for role in ORDER if any(role in (p.role, p.fade_role) for p in model.parts)]
    if not thing.words.isdisjoint(EFFIGIES):
        parts = [replace(p, paint=_whole(p.paint, thing), fade=None) for p in model.parts]
        return _stretched(Model(model.roles, parts, model.anchors), thing.sizes)
    own = next((p.paint.material for p in model.parts if roles and p.role == roles[0]), "")
    own = thing.materials[0] if thing.materials else own
    glows = any(p.role == "light" for p in model.parts)
    painter = _Painter(thing, roles, glows=glows, main_material=own)
    parts = [painter.repaint(part) for part in model.parts]
    return _stretched(Model(model.roles, parts, model.anchors), thing.sizes)


def dress_part(model: Model, name: str, thing: Thing) -> bool:
    """Repaints the parts of one name in place; False: the model has none."""
    names = {part.name for part in model.parts}
    name = name if name in names else SAME_PART.get(name, name)
    if name not in names:
        return False
    if not (thing.colours or thing.materials or thing.finishes):
        return True
    model.parts = [
        replace(p, paint=_whole(p.paint, thing), fade=None) if p.name == name else p for p in model.parts
    ]
    return True


class _Painter:
    """Which of a phrase's words go on which role."""

    def __init__(self, thing: Thing, roles: list[str], *, glows: bool, main_material: str) -> None:
        self._roles = roles
        self._colours = dict(zip(roles, thing.colours, strict=False))
        self._materials = _spread(thing.materials, roles)
        self._finishes = thing.finishes
        self._glows = glows
        self._main_material = main_material

    def repaint(self, part: Part) -> Part:
        """One part in its new paints."""
        fade = self._paint(part.fade_role, part.fade_paint) if part.fade_paint else None
        return replace(part, paint=self._paint(part.role, part.paint), fade_paint=fade)

    def _paint(self, role: str, paint: Paint) -> Paint:
        if role == "light" and "glowing" in self._finishes:
            return paint.finished(("glowing",))
        if role not in self._roles:
            return paint
        material = self._materials.get(role)
        if material is not None and material != paint.material:
            paint = paint.made_of(material, keep_colour=False)
        if role in self._colours:
            paint = paint.coloured(self._colours[role])
        elif len(self._colours) == 1 and paint.material == self._main_material:
            paint = paint.coloured(_kin(self._colours[self._roles[0]], role))
        return paint.finished(tuple(f for f in self._finishes if self._takes(role, f)))

    def _takes(self, role: str, finish: str) -> bool:
        if finish == "glowing":
            return role == ("accent" if "accent" in self._roles else "primary") and not self._glows
        return role == "primary" or finish not in PATTERNS


def _spread(materials: Iterable[str], roles: list[str]) -> dict[str, str]:
    """One material for primary and secondary, or the first for primary and the second for the rest."""
    listed = list(materials)
    if not listed:
        return {}
    chosen = {role: listed[0] if role == "primary" else listed[-1] for role in roles}
    if len(listed) == 1:
        chosen.pop("accent", None)
    return chosen


def _kin(colour: tuple[float, float, float], role: str) -> tuple[float, float, float]:
    """What other parts of the same substance look like when only one colour was named."""
    factor, lift = (0.85, 0.06) if role == "secondary" else (0.55, 0.0)
    r, g, b = (factor * c + lift for c in colour)
    return r, g, b


def _whole(paint: Paint, thing: Thing) -> Paint:
    if thing.materials:
        paint = paint.made_of(thing.materials[0], keep_colour=False)
    if thing.colours:
        paint = paint.coloured(thing.colours[0])
    return paint.finished(tuple(f for f in thing.finishes if f in FINISHES))


def _stretched(model: Model, sizes: tuple[str, ...]) -> Model:
    x = y = z = 1.0
    for word in sizes:
        dx, dy, dz = SIZES[word]
        x, y, z = x * dx, y * dy, z * dz
    if (x, y, z) == (1.0, 1.0, 1.0):
        return model
    parts = [replace(p, shape=Shape(p.shape.vertices * [x, y, z], p.shape.faces)) for p in model.parts]
    anchors = {n: replace(a, position=a.position * [x, y, z]) for n, a in model.anchors.items()}
    return Model(model.roles, parts, anchors)
