"""Writes docs/configuration.md from the settings themselves: `python -m subnet17.settings_doc`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from subnet17.settings import LIVE, SHORT_NAMES, Settings, known_keys, table_of
from subnet17.settings_sources import CONFIG_VARIABLE, MAX_CONFIG_BYTES

INTRODUCTION = """# Configuration

`mining.toml` < environment < command line. Made by `python -m subnet17.settings_doc`.

Any key as environment variable: `S17_TABLE__KEY`, for example `S17_GENERATION__PORT=8093`. `{config}` names
another file. Short names: {short}.

## Changing settings while it runs

All processes follow `mining.toml`, the orchestrator and the local subnet too. A changed file is read and
checked whole, with the environment and command line of the start, which still come first. Keys marked
**live** below take effect together, within about a second; a server's job and any wait under way end under
the settings they began with. Changes of the others wait for a restart of the processes that read them:
`needs_restart` shows what runs and what the file says.

What can't be used changes nothing at all, and the last good settings stay: an unknown key, a value out of
range, a file that isn't TOML, is empty, gone, unreadable, or larger than {kib} KiB. So does a set of
changes that would only be right together with one that waits for a restart. Write a new file and rename it
over the old one: one that is written slowly in place may be read in the middle, and a part of a file can be
valid.

Each server and the miner tell how they stand under `settings` in `/status/`: the values of its `live` keys
in force, a `stamp` (the same where all its settings are), `needs_restart`, the number of `reloads`, and the
last `error`, empty once the file is good again. Each reload is a line in its log, with old and new values;
keys and seeds of wallets are never shown. A refused file is one line, not one every second."""


def describe_settings() -> str:
    """All keys as Markdown, for docs/configuration.md."""
    short = ", ".join(f"`{name}` (`{table}.{key}`)" for name, (table, key) in SHORT_NAMES.items())
    lines = [INTRODUCTION.format(short=short, config=CONFIG_VARIABLE, kib=MAX_CONFIG_BYTES // 1024)]
    for table in Settings.model_fields:
        fields = table_of(table).model_fields
        lines += [
            "",
            f"## `[{table}]`",
            "",
            "| key | default | allowed | change | meaning |",
            "|---|---|---|---|---|",
        ]
        schema = table_of(table).model_json_schema()["properties"]
        for key, facts in schema.items():
            default = json.dumps(fields[key].get_default(call_default_factory=True))
            change = "live" if key in known_keys(table, LIVE) else "restart"
            meaning = facts.get("description", "")
            lines.append(f"| `{key}` | `{default}` | {_bounds_of(facts)} | {change} | {meaning} |")
    return "\n".join(lines) + "\n"


def _bounds_of(facts: Mapping[str, Any]) -> str:
    if "enum" in facts:
        return ", ".join(str(choice) for choice in facts["enum"])
    low = facts.get("minimum", facts.get("exclusiveMinimum"))
    high = facts.get("maximum")
    over = "over " if "exclusiveMinimum" in facts else ""
    if low is None:
        return {"boolean": "true, false", "array": "list of addresses"}.get(facts["type"], "text")
    return f"{over}{low:g} to {high:g}" if high is not None else f"{over}{low:g} or more"


if __name__ == "__main__":
    print(describe_settings(), end="")  # noqa: T201
