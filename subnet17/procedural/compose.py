"""Putting models together: copies, things worn, held, stood on, put into and set beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from subnet17.procedural.model import Model
from subnet17.procedural.shapes import Array, Shape

GAP = 0.12
"""Space between neighbours, as a share of their width."""


def wear(model: Model, item: Model, place: str) -> None:
    """Puts an item's "mount" on the wearer's anchor, scaled so that the sizes agree."""
    _attach(model, item, place, "mount")


def hold(model: Model, item: Model, *, hand: str = "hand_right") -> None:
    """Puts an item's "grip" into a hand; one that would reach through the floor is gripped lower down."""
    place, grip = model.place(hand), item.place("grip")
    height = float(np.ptp(item.bounds(), axis=0).max())
    own = float(np.ptp(model.bounds(), axis=0).max())
    scale = float(np.clip(place.size / grip.size, 0.2 * own / height, 0.95 * own / height))
    held = item.placed(scale=scale)
    held = held.placed(place.position - held.place("grip").position)
    buried = float(model.bounds()[0, 1] - held.bounds()[0, 1])
    model.include(held.placed((0.0, max(buried, 0.0), 0.0)))


def crown(model: Model, item: Model) -> None:
    """Stands an item on the model's "top", a quarter to a half as large as the model."""
    top, size = model.place("top"), np.ptp(item.bounds(), axis=0)
    own = float(np.ptp(model.bounds(), axis=0).max())
    fitting = 0.9 * top.size / float(max(size[0], size[2]))
    scale = float(np.clip(fitting, 0.25 * own / size.max(), 0.5 * own / size.max()))
    low, high = item.bounds() * scale
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    model.include(item.placed(top.position - foot, scale=scale))


def emboss(model: Model, item: Model) -> None:
    """Lays an item on the model's front as a flat relief, seen from its side as animals are on shields."""
    front = model.place("front")
    turned = item.placed(turn_deg=90)
    low, high = turned.bounds()
    width, height = float(np.ptp(model.bounds()[:, 0])), _height(model)
    scale = 0.5 * min(width / float(high[0] - low[0]), height / float(high[1] - low[1]))
    factors = scale * np.array([1.0, 1.0, 0.25])
    shift = front.position - (low + high) / 2 * factors
    for part in turned.parts:
        model.parts.append(
            replace(part, shape=Shape(part.shape.vertices * factors + shift, part.shape.faces))
        )


def _attach(model: Model, item: Model, place: str, handle: str) -> None:
    target, mount = model.place(place), item.place(handle)
    item = item.placed(scale=target.size / mount.size)
    model.include(item.placed(target.position - item.place(handle).position))


def stand_on(model: Model, support: Model) -> Model:
    """The model on top of a support that is scaled to carry it."""
    low, high = model.bounds()
    footprint = float(max(high[0] - low[0], high[2] - low[2]))
    top = support.place("top")
    scale = float(np.clip(0.9 * footprint / top.size, 0.0, 1.6 * (high[1] - low[1]) / _height(support)))
    support = support.placed(scale=scale)
    return _on_point(model, support, support.place("top").position)


def put_in(model: Model, holder: Model) -> Model:
    """The model sunk into the mouth of a holder that is scaled to let it in."""
    low, high = model.bounds()
    footprint = float(min(high[0] - low[0], high[2] - low[2]))
    inside = holder.place("inside")
    scale = float(np.clip(0.8 * footprint / inside.size, 0.35 * (high[1] - low[1]) / _height(holder), 10.0))
    holder = holder.placed(scale=scale)
    spot = holder.place("inside").position - [0, 0.08 * (high[1] - low[1]), 0]
    return _on_point(model, holder, spot)


def fill(model: Model, items: list[Model]) -> None:
    """Heaps things into the model's mouth; tall ones stand in it side by side, as flowers do in a vase."""
    mouth = model.place("inside")
    width, height, _ = np.ptp(items[0].bounds(), axis=0)
    if height > 1.3 * width:
        _stand_in(model, items, scale=max(0.5 * mouth.size, 0.7 * _height(model)) / height)
        return
    heap = line_up(items)
    low, high = heap.bounds()
    heap = heap.placed(scale=0.85 * mouth.size / float(max(high[0] - low[0], high[2] - low[2])))
    low, high = heap.bounds()
    foot = np.array([(low[0] + high[0]) / 2, low[1] + 0.25 * (high[1] - low[1]), (low[2] + high[2]) / 2])
    model.include(heap.placed(mouth.position - foot))


def _stand_in(model: Model, items: list[Model], *, scale: float) -> None:
    mouth = model.place("inside")
    for i, item in enumerate(items):
        angle = 2 * np.pi * i / len(items)
        low, high = item.bounds() * scale
        foot = np.array([(low[0] + high[0]) / 2, low[1] + 0.2 * (high[1] - low[1]), (low[2] + high[2]) / 2])
        spot = mouth.position + 0.28 * mouth.size * np.array([np.sin(angle), 0.0, np.cos(angle)])
        model.include(item.placed(spot - foot, scale=scale))


def _on_point(model: Model, support: Model, point: Array) -> Model:
    low, high = model.bounds()
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    placed = model.placed(point - foot)
    placed.include(support)
    return placed


def set_beside(model: Model, other: Model, *, share: float) -> None:
    """Sets another model on the ground to the right, `share` as large as the first one's longest side."""
    low, high = model.bounds()
    scale = share * float((high - low).max()) / float(np.ptp(other.bounds(), axis=0).max())
    other = other.placed(scale=scale)
    other_low, other_high = other.bounds()
    gap = GAP * float(high[0] - low[0])
    middle = (low[2] + high[2]) / 2 - (other_low[2] + other_high[2]) / 2
    model.include(other.placed((high[0] + gap - other_low[0], low[1] - other_low[1], middle)))


def hang_under(model: Model, cover: Model) -> Model:
    """The model standing under something larger, such as a tree or an umbrella."""
    size = float(np.ptp(model.bounds(), axis=0).max())
    cover = cover.placed(scale=2.2 * size / float(np.ptp(cover.bounds(), axis=0).max()))
    low, _ = cover.bounds()
    own_low, _ = model.bounds()
    model.include(cover.placed((-0.75 * size, own_low[1] - low[1], -0.3 * size)))
    return model


def line_up(models: list[Model]) -> Model:
    """Several models in rows of three, on one floor; each row stands behind the one before it."""
    widest = max(float(np.ptp(m.bounds()[:, 0])) for m in models)
    deepest = max(float(np.ptp(m.bounds()[:, 2])) for m in models)
    columns = min(len(models), 3) if len(models) != 4 else 2
    group = Model()
    for i, model in enumerate(models):
        low, high = model.bounds()
        row = i // columns
        in_row = min(columns, len(models) - row * columns)
        x = (i % columns - (in_row - 1) / 2) * widest * (1 + GAP)
        group.include(model.placed((x - (low[0] + high[0]) / 2, -low[1], -row * deepest * (1 + GAP))))
    return group


def _height(model: Model) -> float:
    return float(np.ptp(model.bounds()[:, 1]))
