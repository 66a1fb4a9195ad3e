"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parents[1]

# The same examples in every run, however long one takes: what fails in CI fails here as well, and is no
# matter of luck or of how busy the machine is. HYPOTHESIS_PROFILE=search looks for new ones.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", UNTIMED, derandomize=True, database=None)
settings.register_profile("search", UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def _prepare_torch() -> None:
    # torchvision from the registry is built for CUDA: beside a CPU torch its import fails only for want of
    # the schemas of two operators, which nothing under test calls.
    import torch  # noqa: PLC0415 - the base installation has none
    from torch import library  # noqa: PLC0415

    torch.set_num_threads(1)
    if torch.version.cuda or "+cpu" in importlib.metadata.version("torchvision"):
        return
    for operator in ("nms", "qnms"):
        try:
            library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        except RuntimeError:  # torchvision was imported before and has defined it
            continue


if importlib.util.find_spec("torch") and importlib.util.find_spec("torchvision"):
    _prepare_torch()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """A real asset with its official SPZ and renders, kept beside the checkout; not part of the product."""
    folder = REPO.parent / "shared" / "fixtures"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: official fixtures are not part of the project")
    return folder
