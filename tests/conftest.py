"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """A real asset with its official SPZ and renders, kept beside the checkout; not part of the product."""
    folder = REPO.parent / "shared" / "fixtures"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: official fixtures are not part of the project")
    return folder
