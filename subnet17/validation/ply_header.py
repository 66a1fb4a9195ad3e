"""The header of a PLY mesh: what elements there are, how many of each, and how their rows lie in the body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subnet17.errors import AssetError

MAX_HEADER_BYTES = 16 * 1024
BYTE_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


@dataclass(frozen=True)
class Property:
    """A property of an element.

    Attributes:
        name: In the header.
        declared: Type in the header; of a list its items'.
        stored: As it lies in the body. The numbers of a text are kept as float64, whatever they are.
        length: As a list's length lies in the body; None for a single value.
    """

    name: str
    declared: np.dtype[Any]
    stored: np.dtype[Any]
    length: np.dtype[Any] | None = None


@dataclass
class Element:
    """Rows of one kind, all with the same properties.

    Attributes:
        name: In the header. count: Of rows. properties: In the order in which they lie in a row.
    """

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)

    @property
    def least_bytes(self) -> int:
        """Of all rows, were their lists empty."""
        return self.count * sum((each.length or each.stored).itemsize for each in self.properties)

    def has(self, name: str, *, as_list: bool = False) -> bool:
        """Whether a property is there, as a list or as a single value."""
        return any(each.name == name and (each.length is not None) == as_list for each in self.properties)


@dataclass(frozen=True)
class Header:
    """What comes before the rows.

    Attributes:
        text: Whether the body is text. elements: In the order of the body. body_at: Where that begins.
    """

    text: bool
    elements: list[Element]
    body_at: int


def read_header(data: bytes) -> Header:
    """Reads the header of a PLY, whose first line is known.

    Raises:
        AssetError: it has no end, or lines that are not understood.
    """
    end = data.find(b"\nend_header", 0, MAX_HEADER_BYTES) + 1
    body_at = data.find(b"\n", end) + 1
    if not end or not body_at:
        raise AssetError(f"no end_header in the PLY's first {MAX_HEADER_BYTES} bytes")
    lines = [line.split() for line in data[:end].decode("ascii", "replace").splitlines()[1:]]
    order = _byte_order(lines)
    return Header(not order, _parse_elements(lines, order), body_at)


def _byte_order(lines: list[list[str]]) -> str:
    """As numpy has it; empty for text."""
    said = [words[1:] for words in lines if words[:1] == ["format"]]
    match said:
        case [[form, "1.0"]] if form in BYTE_ORDERS:
            return BYTE_ORDERS[form]
    raise AssetError(f"PLY formats {said!r:.120}, expected one of {', '.join(BYTE_ORDERS)}, version 1.0")


def _parse_elements(lines: list[list[str]], order: str) -> list[Element]:
    elements: list[Element] = []
    for words in lines:
        match words:
            case ["element", name, count] if count.isdecimal() and len(count) < 19:
                elements.append(Element(name, int(count)))
            case ["property", "list", length, item, name] if {length, item} <= TYPES.keys() and elements:
                _add_property(elements[-1], Property(name, *_types(item, order), _types(length, order)[1]))
            case ["property", item, name] if item in TYPES and elements:
                _add_property(elements[-1], Property(name, *_types(item, order)))
            case ["format" | "comment" | "obj_info", *_] | []:
                pass
            case _:
                raise AssetError(f"PLY header line not understood: {' '.join(words)[:80]!r}")
    return elements


def _add_property(element: Element, new: Property) -> None:
    if any(each.name == new.name for each in element.properties):
        raise AssetError(f"the PLY declares {new.name[:40]!r} of {element.name[:40]!r} twice")
    element.properties.append(new)


def _types(name: str, order: str) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """A type as it is declared and as it is stored."""
    return np.dtype(TYPES[name]), np.dtype(order + TYPES[name]) if order else np.dtype(np.float64)
