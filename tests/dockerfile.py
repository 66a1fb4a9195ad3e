"""Reads the project's Dockerfile."""

from __future__ import annotations

import re
import shlex

from subnet17.settings import PROJECT_ROOT


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, without comments, continued lines joined."""
    lines = [
        line
        for line in (PROJECT_ROOT / "deploy" / "Dockerfile").read_text().splitlines()
        if not line.startswith("#")
    ]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2]) for line in joined.splitlines() if line.strip()]


def environment() -> dict[str, str]:
    """What its ENV sets."""
    return dict(
        word.split("=", 1) for name, rest in instructions() if name == "ENV" for word in shlex.split(rest)
    )
