"""Whether a folder of weights is whole, told from names, sizes and headers without reading the weights.

Covers: missing files, missing shards of a split model, files that are cut, padded or no safetensors.
Does not cover: flipped bits inside the weights, which only a checksum of all their bytes would show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from subnet17.errors import UnavailableError

MAX_HEADER_BYTES = 100 * 2**20
"""The format's own limit; a damaged length field must not make us read gigabytes."""


def missing_of(folder: Path, patterns: Sequence[str], required: Sequence[str]) -> list[str]:
    """Required patterns without a file, and shards that an index names but the folder lacks."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    missing = [wanted for wanted in required if not any(fnmatch(name, wanted) for name in names)]
    for index in _matching(folder, patterns, "*.safetensors.index.json"):
        for shard in _shards_of(index):
            if not (index.parent / shard).is_file():
                missing.append((index.parent / shard).relative_to(folder).as_posix())
    return missing


def check_weight_files(folder: Path, patterns: Sequence[str], required: Sequence[str], *, fix: str) -> None:
    """Refuses a folder that a model can't be loaded from.

    Args:
        folder: Holds the files.
        patterns: The files that count, as in fnmatch.
        required: Patterns that must each match a file.
        fix: What to do, for the message.

    Raises:
        UnavailableError: a file is missing, cut or not what its name says.
    """
    if missing := missing_of(folder, patterns, required):
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise UnavailableError(
            f"weights in {folder} are incomplete: {shown} missing; fix: {fix}",
            folder=str(folder),
            missing=missing[:20],
        )
    for path in _matching(folder, patterns, "*.safetensors"):
        if fault := fault_of(path):
            raise UnavailableError(
                f"weights file {path} is damaged: {fault}; delete it, then: {fix}",
                file=str(path),
                fault=fault,
            )


def fault_of(path: Path) -> str | None:
    """What is wrong with a safetensors file, or None.

    The format: 8 bytes of little-endian header length, a JSON header whose entries hold `data_offsets`, and
    exactly as many bytes of data as the largest offset says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            return f"it has {size} bytes and no header of safetensors"
        header = file.read(length)
    try:
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
        data = max(ends, default=0)
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError):
        return "its header can't be read"
    if not isinstance(data, int) or size != 8 + length + data:
        return f"it has {size} bytes, its header says {8 + length + data if isinstance(data, int) else data}"
    return None


def _matching(folder: Path, patterns: Sequence[str], kind: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(kind)):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and any(fnmatch(name, pattern) for pattern in patterns):
            yield path


def _shards_of(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise UnavailableError(f"weights index {index} can't be read", file=str(index)) from None
