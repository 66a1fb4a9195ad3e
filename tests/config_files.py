"""Configuration files: written from values, and damaged as editors, scripts and disks damage them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from subnet17.settings import Settings, known_keys, table_of
from subnet17.settings_sources import MAX_CONFIG_BYTES

Mutation = Callable[[random.Random, bytes], bytes]

VALUES: list[Any] = [
    *(0, -1, 1, 7, 12, 500, 65_536, 2**63, -(2**63), 10**40),
    *(0.0, 0.5, 0.91, 1.0, 1.0000001, -0.1, 1e308, "nan", "inf", "-inf", "0x" + "f" * 900),
    *(True, False, "", "debug", "info", "speed", "cuda:1", "a,b", "x" * 5000, "\u202e", "0.8"),
    *([], ["a"], [1, [2, [3]]], {}, {"a": {"b": 1}}, "1979-05-27T07:32:00Z"),
]
BARE = {"nan", "inf", "-inf", "1979-05-27T07:32:00Z"}


def write_config(path: Path, **tables: dict[str, Any]) -> None:
    """Puts a whole new file in the old one's place."""
    lines = [f"[{name}]\n{_as_lines(table)}" for name, table in tables.items()]
    replace_text(path, "\n".join(lines))


def replace_text(path: Path, text: str) -> None:
    """As editors do it: who follows the file never reads a part of it, nor an empty one."""
    path.with_suffix(".new").write_text(text, encoding="utf-8")
    path.with_suffix(".new").rename(path)


def _as_lines(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_as_toml(value)}\n" for key, value in table.items())


def mutants(good: str, count: int) -> list[bytes]:
    """`count` files made from `good`, the same ones each time; some of them are good themselves."""
    return [_mutate(random.Random(number), good.encode()) for number in range(count)]


def _mutate(rng: random.Random, content: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(MUTATIONS)(rng, content)
    return content


def _spoil_bytes(rng: random.Random, content: bytes) -> bytes:
    spoilt = bytearray(content or b"\n")
    for _ in range(rng.randint(1, 8)):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def _truncate(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randint(0, len(content))]


def _drop_a_part(rng: random.Random, content: bytes) -> bytes:
    start, end = sorted(rng.randint(0, len(content)) for _ in range(2))
    return content[:start] + content[end:]


def _shuffle_lines(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _repeat_a_line(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
    return b"\n".join(lines)


def _set_a_key(rng: random.Random, content: bytes) -> bytes:
    """A known key gets a value of any type, most often out of range, sometimes a good one."""
    table = rng.choice(list(Settings.model_fields))
    key = rng.choice(known_keys(table))
    default = table_of(table).model_fields[key].get_default(call_default_factory=True)
    value = rng.choice([*VALUES, default, _near(rng, default)])
    return _in_table(content, table, f"{key} = {_as_toml(value)}")


def _near(rng: random.Random, default: Any) -> Any:
    if isinstance(default, bool) or not isinstance(default, int | float):
        return default
    return type(default)(default * rng.choice((0.5, 0.9, 1.1, 2, 1000)))


def _add_an_unknown_key(rng: random.Random, content: bytes) -> bytes:
    table = rng.choice([*Settings.model_fields, "mining", "", "a.b", '"\\u0000"', "miner.wallet"])
    return _in_table(content, table, f"{rng.choice(('prt', 'x', 'octree', chr(233), ''))} = 1")


def _in_table(content: bytes, table: str, line: str) -> bytes:
    header = f"[{table}]\n".encode()
    written = line.encode("utf-8", "surrogatepass") + b"\n"
    if header in content:
        return content.replace(header, header + written, 1)
    return content + b"\n" + header + written


def _as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_as_toml(item)}" for key, item in value.items()) + "}"
    is_bare = isinstance(value, str) and (value in BARE or value.startswith("0x"))
    return value if is_bare else json.dumps(value)


def _nest(rng: random.Random, content: bytes) -> bytes:
    opening = rng.choice((b"[", b"{a=", b"[[", b"a."))
    return content + b"\n[miner]\nx = " + opening * rng.choice((3, 300, 5000))


def _grow(rng: random.Random, content: bytes) -> bytes:
    size = rng.choice((100, MAX_CONFIG_BYTES - len(content), MAX_CONFIG_BYTES, 4 * MAX_CONFIG_BYTES))
    return content + b"#" + rng.choice((b"x", b".", b"\xff", b" ")) * max(0, size - 1)


def _replace_all(rng: random.Random, content: bytes) -> bytes:
    others = (
        b"",
        b"\n\n",
        b"\x00" * 512,
        b"\xef\xbb\xbf" + content,
        content.decode("latin-1").encode("utf-16"),
    )
    return rng.choice(
        (*others, b"{}", b"miner = 1", b"[[miner]]\n", b"\x7fELF", content.replace(b"\n", b"\r"))
    )


def _leave(rng: random.Random, content: bytes) -> bytes:
    return content


MUTATIONS: tuple[Mutation, ...] = (
    _spoil_bytes,
    _truncate,
    _drop_a_part,
    _shuffle_lines,
    _repeat_a_line,
    *(_set_a_key,) * 4,
    _add_an_unknown_key,
    _nest,
    _grow,
    _replace_all,
    _leave,
)


def place_something_else(path: Path, number: int) -> None:
    """Puts what is no readable file where the configuration was."""
    path.unlink()
    match number % 5:
        case 0:
            return
        case 1:
            path.mkdir()
        case 2:
            path.symlink_to(path)
        case 3:
            path.symlink_to("/dev/zero")
        case 4:
            os.mkfifo(path)
