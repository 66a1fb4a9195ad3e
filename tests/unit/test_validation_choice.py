"""Which scorer and renderer are chosen, and what is said about it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from subnet17.errors import ConfigError
from subnet17.gpu.monitor import GpuState
from subnet17.settings import ValidationTable
from subnet17.validation import choice
from subnet17.validation.choice import Choice, choose, choose_renderer, choose_scorer, needs_device
from subnet17.validation.scoring.reference import available

GPU = GpuState(0, "card", 24 * 10**9, 0, 40, 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with one card of 24 GB and all packages."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for place in (
        "subnet17.validation.choice.read_gpus",
        "subnet17.validation.scoring.reference.available.read_gpus",
    ):
        monkeypatch.setattr(place, lambda: [GPU], raising=False)
    for module in (available, choice):
        monkeypatch.setattr(module, "missing_packages", list)
    monkeypatch.setattr(choice, "why_no_gsplat", str)
    return monkeypatch


def without_gpu(machine: pytest.MonkeyPatch) -> None:
    for place in (
        "subnet17.validation.choice.read_gpus",
        "subnet17.validation.scoring.reference.available.read_gpus",
    ):
        machine.setattr(place, list, raising=False)


def test_auto_takes_networks_and_renderer_of_a_gpu(machine: pytest.MonkeyPatch) -> None:
    scorer, renderer = choose(ValidationTable())
    assert (scorer.name, renderer.name) == ("reference", "cuda")
    assert scorer.reason.startswith("auto: ") and renderer.reason.startswith("auto: ")
    assert needs_device(scorer, renderer)


def test_auto_without_a_gpu_says_so(machine: pytest.MonkeyPatch) -> None:
    without_gpu(machine)
    scorer, renderer = choose(ValidationTable())
    assert scorer == Choice("embedded", "auto: no reference scorer, no NVIDIA GPU answers")
    assert renderer.name == "cpu" and not needs_device(scorer, renderer)


def test_auto_names_packages_that_are_missing(machine: pytest.MonkeyPatch) -> None:
    for module in (available, choice):
        machine.setattr(module, "missing_packages", lambda: ["open_clip", "timm"])
    assert "open_clip, timm not installed" in choose_scorer("auto").reason


def test_auto_without_gsplat_draws_on_the_cpu_and_scores_on_the_gpu(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(choice, "why_no_gsplat", lambda: "gsplat not installed")
    scorer, renderer = choose(ValidationTable())
    assert (scorer.name, renderer.name) == ("reference", "cpu")
    assert renderer.reason == "auto: no CUDA renderer, gsplat not installed"


def test_auto_draws_on_the_cpu_for_the_embedded_scorer(machine: pytest.MonkeyPatch) -> None:
    assert choose(ValidationTable(scorer="embedded"))[1].name == "cpu"
    embedded, cuda = choose(ValidationTable(scorer="embedded", renderer="cuda"))
    assert (embedded.name, cuda) == ("embedded", Choice("cuda", "asked for"))
    assert needs_device(embedded, cuda)


def test_what_is_asked_for_is_given_or_refused_never_replaced(machine: pytest.MonkeyPatch) -> None:
    assert choose_scorer("reference") == Choice("reference", "asked for")
    assert choose_scorer("embedded") == Choice("embedded", "asked for")
    assert choose_renderer("cpu") == Choice("cpu", "asked for")
    machine.setattr(choice, "why_no_gsplat", lambda: "gsplat not installed")
    with pytest.raises(ConfigError, match="renderer cuda is not available: gsplat not installed"):
        choose_renderer("cuda")
    without_gpu(machine)
    with pytest.raises(ConfigError, match=r"no NVIDIA GPU answers; with validation.device = cpu"):
        choose_scorer("reference")
    with pytest.raises(ConfigError, match="no NVIDIA GPU"):
        choose_renderer("cuda")
    machine.setattr(choice, "missing_packages", lambda: ["timm"])
    with pytest.raises(ConfigError, match=r"timm not installed: run ./setup_mining_environment.sh --gpu"):
        choose_scorer("reference")


def test_the_networks_run_without_a_gpu_where_that_is_asked_for(machine: pytest.MonkeyPatch) -> None:
    without_gpu(machine)
    scorer, renderer = choose(ValidationTable(scorer="reference", device="cpu"))
    assert (scorer.name, renderer.name) == ("reference", "cpu")
    assert choose(ValidationTable(device="cpu"))[0].name == "embedded"
    with pytest.raises(ConfigError, match="device is cpu"):
        choose(ValidationTable(renderer="cuda", device="cpu"))


def test_no_device_is_an_error(machine: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="names no device"):
        choose(ValidationTable(device=" , "))


def test_hidden_gpus_are_none(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES hides all GPUs" in choose_scorer("auto").reason


def test_the_server_and_its_readers_import_no_torch() -> None:
    code = (
        "import sys; import subnet17.validation.cli, subnet17.validation.pipeline as p;"
        "from subnet17.settings import ValidationTable; from subnet17.validation.choice import Choice;"
        "p.load_reader(ValidationTable(), Choice('reference', ''), Choice('cuda', ''));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
