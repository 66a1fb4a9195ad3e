"""Writes docs/configuration.md from the settings themselves: `python -m subnet17.settings_doc`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from subnet17.settings import SHORT_NAMES, Settings
from subnet17.settings_sources import CONFIG_VARIABLE


def describe_settings() -> str:
    """All keys as Markdown, for docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "`mining.toml` < environment < command line. Made by `python -m subnet17.settings_doc`.",
        "",
        "Any key as environment variable: `S17_TABLE__KEY`, for example `S17_GENERATION__PORT=8093`. "
        f"`{CONFIG_VARIABLE}` names another file. Short names: "
        + ", ".join(f"`{name}` (`{table}.{key}`)" for name, (table, key) in SHORT_NAMES.items())
        + ".",
    ]
    for table, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)  # noqa: S101
        lines += ["", f"## `[{table}]`", "", "| key | default | allowed | meaning |", "|---|---|---|---|"]
        schema = field.annotation.model_json_schema()["properties"]
        for key, facts in schema.items():
            default = json.dumps(field.annotation.model_fields[key].get_default(call_default_factory=True))
            lines.append(f"| `{key}` | `{default}` | {_bounds_of(facts)} | {facts.get('description', '')} |")
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
