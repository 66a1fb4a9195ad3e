"""Reads from the local subnet's ledger whether a result was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from subnet17.localnet.ledger import Record


@dataclass(frozen=True)
class Acceptance:
    """One accepted result, as the validator recorded it."""

    validator: int
    prompt: str
    score: float


def find_acceptance(ledger: Path, since_s: float) -> Acceptance | None:
    """The first result accepted since `since_s` (Unix seconds); None while there is none."""
    try:
        record = Record.model_validate_json(ledger.read_bytes())
    except (OSError, ValidationError):
        return None  # not written yet
    for page in record.validators:
        for entry in page.entries.get("accepted", []):
            if entry.at_s >= since_s and entry.score is not None:
                return Acceptance(page.uid, entry.title or "", entry.score)
    return None
