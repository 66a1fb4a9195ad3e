"""Cars: sports cars, sedans, trucks, vans, buses, taxis, police cars, jeeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, ring, torus
from subnet17.procedural.sweeps import body, capsule, cylinder
from subnet17.procedural.tessellate import cut_long_edges


@dataclass(frozen=True)
class Coachwork:
    """Measures of a car about 2.2 long: rows of (z, roof height) for hood and cabin, wheels, ride height.

    Attributes:
        hull: (z, top height, half-width) of the lower body from back to front.
        cabin: (z, top height, half-width) of the glasshouse; empty: none.
        wheel: radius. ride: height of the underside.
        paint: primary. extras: spoiler, sign, siren, stripes, bed, roof rack, box.
    """

    hull: tuple[tuple[float, float, float], ...]
    cabin: tuple[tuple[float, float, float], ...]
    wheel: float
    ride: float
    paint: str = "red paint"
    extras: tuple[str, ...] = ()


SEDAN_HULL = (
    (-1.1, 0.5, 0.4),
    (-1.02, 0.6, 0.45),
    (-0.5, 0.64, 0.47),
    (0.3, 0.63, 0.47),
    (0.85, 0.56, 0.45),
    (1.08, 0.44, 0.4),
)
SPORTS_HULL = ((-1.1, 0.5, 0.42), (-1.0, 0.58, 0.48), (-0.55, 0.58, 0.5), (0.1, 0.5, 0.47), (0.65, 0.46,
    0.48), (1.0, 0.36, 0.44),
               (1.16, 0.26, 0.36))  # fmt: skip
SEDAN_CABIN = ((-0.88, 0.56, 0.36), (-0.5, 0.95, 0.36), (0.12, 0.97, 0.36), (0.62, 0.58, 0.38))
SPORTS_CABIN = ((-0.9, 0.5, 0.34), (-0.4, 0.77, 0.33), (0.02, 0.79, 0.33), (0.52, 0.47, 0.37))
TALL_HULL = ((-1.1, 0.62, 0.46), (-1.06, 0.72, 0.48), (0.5, 0.74, 0.48), (0.95, 0.7, 0.46), (1.08, 0.6, 0.44))

KINDS: dict[str, Coachwork] = {
    "sports car": Coachwork(SPORTS_HULL, SPORTS_CABIN, 0.215, 0.13, "red paint", ("spoiler",)),
    "race car": Coachwork(SPORTS_HULL, SPORTS_CABIN, 0.22, 0.11, "blue paint", ("spoiler", "stripes")),
    "sedan": Coachwork(SEDAN_HULL, SEDAN_CABIN, 0.215, 0.18, "azure paint"),
    "taxi": Coachwork(SEDAN_HULL, SEDAN_CABIN, 0.215, 0.18, "yellow paint", ("sign", "checks")),
    "police car": Coachwork(SEDAN_HULL, SEDAN_CABIN, 0.215, 0.18, "white paint", ("siren", "doors")),
    "suv": Coachwork(TALL_HULL, ((-1.06, 0.7, 0.42), (-0.9, 1.12, 0.4), (0.15, 1.14, 0.4), (0.58, 0.74,
        0.42)), 0.25, 0.24,
                     "olive paint", ("rack",)),
    "pickup truck": Coachwork(TALL_HULL, ((-0.28, 0.72, 0.41), (-0.18, 1.12, 0.39), (0.25, 1.13, 0.39),
        (0.62, 0.74, 0.42)), 0.26,
                              0.26, "crimson paint", ("bed",)),
    "van": Coachwork(TALL_HULL, ((-1.08, 0.7, 0.46), (-1.04, 1.25, 0.44), (0.6, 1.26, 0.44), (0.92, 0.72,
        0.45)), 0.22, 0.2,
                     "cream paint"),
}  # fmt: skip

SAME_KIND = {
    "car": "sedan", "supercar": "sports car", "racing car": "race car", "race car": "race car",
        "racecar": "race car",
    "hypercar": "sports car", "coupe": "sports car", "convertible": "sports car", "muscle car": "sports car",
    "automobile": "sedan", "hatchback": "sedan", "jeep": "suv", "off road car": "suv", "cab": "taxi",
        "truck": "pickup truck",
    "pickup": "pickup truck", "minivan": "van", "delivery van": "van", "camper van": "van",
        "ambulance": "van",
    "limousine": "sedan", "toy car": "sedan", "vintage car": "sedan", "classic car": "sedan",
}  # fmt: skip


@family("car", words=tuple(sorted({*KINDS, *SAME_KIND})), primary="red paint", secondary="chrome",
        accent="white paint",
        dark="black rubber", glass="charcoal glass", light="cream glass", rear="red plastic")  # fmt: skip
def make_car(build: Build) -> Model:
    kind = SAME_KIND.get(build.word, build.word)
    if kind == "sedan" and build.has("sports", "racing", "fast", "sporty"):
        kind = "sports car"
    work = KINDS.get(kind, KINDS["sedan"])
    paint = "white paint" if build.has("ambulance") else work.paint
    model = build.model(primary=paint)
    _add_hull(model, work)
    _add_cabin(model, work)
    _add_wheels(model, work)
    _add_face(model, work)
    for extra in work.extras + (("siren", "cross") if build.has("ambulance") else ()):
        EXTRAS[extra](model, work)
    top = max((y for _, y, _ in work.cabin), default=0.6)
    model.anchor("top", (0, top, -0.2), size=0.8)
    model.anchor("head_top", (0, top, -0.2), size=0.6)
    model.anchor("eyes", (0, 0.68, 1.0), size=0.7)
    return model


def _axles(work: Coachwork) -> tuple[float, float]:
    return (-0.68, 0.7) if work.ride < 0.16 else (-0.67, 0.68)


def _add_hull(model: Model, work: Coachwork) -> None:
    stations = [(z, (top + work.ride) / 2, half, (top - work.ride) / 2, 0.72) for z, top, half in work.hull]
    hull = body(stations, sides=64)
    arches = np.array([[work.wheel, z] for z in _axles(work)])

    def wheel_arch(p: Array) -> Array:
        """Dark round the wheels and along the underside."""
        near = (
            np.hypot(p[:, 1, None] - arches[:, 0], p[:, 2, None] - arches[:, 1]).min(axis=1)
            - 1.2 * work.wheel
        )
        roof = np.interp(p[:, 2], [z for z, *_ in work.hull], [top for _, top, _ in work.hull])
        side = (np.abs(p[:, 0]) > 0.2) * np.clip((roof - 0.05 - p[:, 1]) * 40, 0, 1)
        return np.asarray(np.clip(-near * 60, 0, 1) * side + np.clip((work.ride + 0.04 - p[:, 1]) * 40, 0, 1))

    fine = _refined(hull)
    model.add("primary", fine, part="body", fade=("dark", wheel_arch))
    z0, z1 = work.hull[0][0], work.hull[-1][0]
    model.add("dark", box(0.74, 0.1, 0.06, bevel=0.02).moved(y=work.ride + 0.08, z=z1 - 0.03), part="bumper")
    model.add("dark", box(0.78, 0.1, 0.06, bevel=0.02).moved(y=work.ride + 0.08, z=z0 + 0.02), part="bumper")


def _refined(shape: Shape) -> Shape:
    vertices, faces = cut_long_edges(shape.vertices, shape.faces, 0.035, most_faces=60_000)
    return Shape(vertices, faces)


def _add_cabin(model: Model, work: Coachwork) -> None:
    floor = min(y for _, y, _ in work.cabin) - 0.12
    stations = [(z, (top + floor) / 2, half, (top - floor) / 2, 0.6) for z, top, half in work.cabin]
    glass = body(stations, sides=48)
    model.add("glass", glass, part="window")
    (z0, y0, w0), (z1, y1, w1), (z2, y2, w2), (z3, y3, w3) = work.cabin
    roof = body([(z1 - 0.06, y1 - 0.04, w1, 0.05, 0.6), ((z1 + z2) / 2, (y1 + y2) / 2 - 0.01, w1 * 1.02,
        0.045, 0.6),
                 (z2 + 0.06, y2 - 0.04, w2, 0.05, 0.6)], sides=32)  # fmt: skip
    model.add("primary", roof, part="roof")
    pillars = [
        capsule((w0, y0 - 0.02, z0 + 0.02), (w1 * 0.98, y1 - 0.05, z1), 0.035),
        capsule((w1 * 1.01, y1 - 0.05, (z1 + z2) / 2 - 0.03), (w1 * 1.04, y0, (z1 + z2) / 2 - 0.03), 0.028),
        capsule((w2 * 0.98, y2 - 0.05, z2), (w3, y3 - 0.02, z3 - 0.02), 0.032),
    ]
    model.add("primary", pair(join(pillars)), part="roof")
    mirror = ellipsoid(0.07, 0.045, 0.035).moved(w3 + 0.12, y3 + 0.1, z3 - 0.18)
    model.add("primary", pair(mirror), part="mirror")


def _add_wheels(model: Model, work: Coachwork) -> None:
    r, x = work.wheel, max(half for _, _, half in work.hull) - 0.055
    tyre = torus(r * 0.74, r * 0.27).scaled(1, 1.15, 1)
    rim = cylinder(r * 0.62, 0.09, bevel=0.02).moved(y=0.02)
    spokes = ring(box(0.05, 0.1, r * 0.55, bevel=0.015).moved(z=r * 0.32, y=0.04), 5)
    hub = cylinder(r * 0.17, 0.13, bevel=0.02).moved(y=0.03)
    for z in _axles(work):
        place = [s.turned("z", -90).moved(x, r, z) for s in (tyre, rim, join([spokes, hub]))]
        model.add("dark", pair(place[0]), part="wheel")
        model.add("black metal", pair(place[1]))
        model.add("secondary", pair(place[2]), part="rim")


def _add_face(model: Model, work: Coachwork) -> None:
    z, top, half = work.hull[-1]
    back_z, back_top, back_half = work.hull[0]
    height = work.ride + 0.62 * (top - work.ride)
    lamp = ellipsoid(0.12, 0.06, 0.07).moved(0.72 * half, height + 0.05, z - 0.04)
    model.add("light", pair(lamp), part="headlight")
    if top - work.ride > 0.2:
        bars = [box(0.34, 0.022, 0.05, bevel=0.008).moved(y=height - 0.05 - 0.045 * i, z=z) for i in range(3)]
        model.add("secondary", join(bars), part="grille")
    tail = box(0.2, 0.07, 0.05, bevel=0.02).moved(0.68 * back_half, back_top - 0.08, back_z + 0.0)
    model.add("rear", pair(tail), part="taillight")
    model.add(
        "accent", box(0.22, 0.08, 0.02, bevel=0.006).moved(y=back_top - 0.2, z=back_z - 0.01), part="plate"
    )
    pipe = cylinder(0.03, 0.1).turned("x", 90).moved(0.25, work.ride + 0.04, back_z - 0.01)
    model.add("secondary", pair(pipe), part="pipe")
    handle = box(0.015, 0.02, 0.12, bevel=0.006).moved(
        max(h for *_, h in work.hull) + 0.0, 0.55 * (top + back_top), -0.15
    )
    model.add("secondary", pair(handle), part="handle")


def _add_spoiler(model: Model, work: Coachwork) -> None:
    model.add(
        "primary", box(0.86, 0.03, 0.17, bevel=0.014).turned("x", 6).moved(y=0.77, z=-1.0), part="spoiler"
    )
    model.add("dark", pair(box(0.03, 0.2, 0.08, bevel=0.01).moved(0.3, 0.66, -0.99)), part="spoiler")
    scoop = box(0.02, 0.1, 0.26, bevel=0.01).turned("x", -14).moved(0.475, 0.38, -0.28)
    model.add("dark", pair(scoop), part="scoop")


def _add_stripes(model: Model, work: Coachwork) -> None:
    stripe = [(z, top + 0.004, 0.05, 0.012) for z, top, _ in work.hull if z < -0.4 or z > 0.5]
    for part in (stripe[:3], stripe[3:]):
        if len(part) > 1:
            model.add("accent", pair(body(part, squareness=1.0, sides=12).moved(x=0.09)), part="stripe")


def _add_sign(model: Model, work: Coachwork) -> None:
    model.add("black plastic", box(0.36, 0.04, 0.16, bevel=0.015).moved(y=1.0, z=-0.18))
    model.add("cream light", box(0.32, 0.12, 0.12, bevel=0.03).moved(y=1.08, z=-0.18), part="sign")


def _add_checks(model: Model, work: Coachwork) -> None:
    tiles = [box(0.01, 0.045, 0.07).moved(0.472, 0.44 + 0.045 * (i % 2), -0.5 + 0.07 * i) for i in range(16)]
    model.add("black paint", pair(join(tiles)), part="stripe")


def _add_siren(model: Model, work: Coachwork) -> None:
    top = max(y for _, y, _ in work.cabin)
    model.add("charcoal plastic", box(0.6, 0.04, 0.14, bevel=0.015).moved(y=top + 0.02, z=-0.15))
    model.add("red light", box(0.24, 0.09, 0.11, bevel=0.03).moved(0.16, top + 0.08, -0.15), part="siren")
    model.add("blue light", box(0.24, 0.09, 0.11, bevel=0.03).moved(-0.16, top + 0.08, -0.15), part="siren")


def _add_doors(model: Model, work: Coachwork) -> None:
    panel = box(0.02, 0.3, 0.8, bevel=0.008).moved(0.467, 0.45, -0.1)
    model.add("black paint", pair(panel), part="door")


def _add_cross(model: Model, work: Coachwork) -> None:
    arms = [box(0.02, 0.26, 0.09), box(0.02, 0.09, 0.26)]
    model.add("red paint", pair(join(arms).moved(0.475, 0.98, -0.5)), part="cross")
    model.add("red paint", pair(box(0.02, 0.07, 1.9).moved(0.485, 0.62, 0.0)), part="stripe")


def _add_rack(model: Model, work: Coachwork) -> None:
    bars = [capsule((-0.34, 1.18, z), (0.34, 1.18, z), 0.018) for z in (-0.75, -0.4, -0.05)]
    rails = pair(capsule((0.34, 1.18, -0.85), (0.34, 1.18, 0.05), 0.02))
    model.add("dark", join([*bars, rails]), part="rack")
    model.add("dark", cylinder(0.2, 0.11, bevel=0.04).turned("x", 90).moved(y=0.62, z=-1.15), part="wheel")


def _add_bed(model: Model, work: Coachwork) -> None:
    model.add("black plastic", box(0.76, 0.03, 0.72, bevel=0.01).moved(y=0.725, z=-0.7))
    wall = pair(box(0.07, 0.16, 0.78, bevel=0.03).moved(0.43, 0.77, -0.7))
    model.add("primary", wall, box(0.86, 0.16, 0.06, bevel=0.025).moved(y=0.77, z=-1.07), part="bed")


EXTRAS = {
    "spoiler": _add_spoiler, "stripes": _add_stripes, "sign": _add_sign, "checks": _add_checks,
        "siren": _add_siren,
    "doors": _add_doors, "cross": _add_cross, "rack": _add_rack, "bed": _add_bed,
}  # fmt: skip
