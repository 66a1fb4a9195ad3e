"""Writing assets: what can't be written is the generator's fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subnet17.errors import StageError
from subnet17.generation.asset import write_cloud
from subnet17.generation.request import AssetFormat
from subnet17.splat.cloud import GaussianCloud


@pytest.mark.parametrize("asset_format", ["ply", "spz"])
def test_a_broken_cloud_is_our_fault_and_names_the_stage(asset_format: AssetFormat) -> None:
    zeros = np.zeros((3, 3), np.float32)
    cloud = GaussianCloud(zeros, zeros, np.ones((3, 4), np.float32), np.zeros(3, np.float32), zeros)
    assert write_cloud(cloud, asset_format)
    broken = replace(cloud, means=np.full((3, 3), np.nan, np.float32))
    with pytest.raises(StageError) as caught:
        write_cloud(broken, asset_format)
    assert caught.value.detail["stage"] == "write"
    assert "means" in caught.value.message
