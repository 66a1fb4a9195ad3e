"""Which scorer and renderer this server uses, and why. Light: looks for packages, imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

from subnet17.errors import ConfigError
from subnet17.gpu.monitor import read_gpus, why_no_gpu
from subnet17.settings import ValidationTable
from subnet17.splat.gsplat_kernels import why_no_gsplat
from subnet17.validation.scoring.reference.available import devices_of, missing_packages, why_not

EMBEDDED, REFERENCE = "embedded", "reference"
CPU, CUDA = "cpu", "cuda"
ASKED_FOR = "asked for"
GPU_FIX = "run ./setup_mining_environment.sh --gpu"


@dataclass(frozen=True)
class Choice:
    """A back end and one sentence on why it was taken."""

    name: str
    reason: str


def choose_scorer(wanted: str, settings: ValidationTable | None = None) -> Choice:
    """Resolves `auto`, `embedded` or `reference`.

    Args:
        wanted: One of the three.
        settings: The server's table: devices, memory.

    Raises:
        ConfigError: `reference`, naming what is missing.
    """
    settings = settings or ValidationTable()
    if wanted == EMBEDDED:
        return Choice(EMBEDDED, ASKED_FOR)
    if wanted == REFERENCE:
        if missing := missing_packages():
            raise _refusal("scorer", wanted, f"{', '.join(missing)} not installed: {GPU_FIX}")
        if _wants_gpu(settings) and (why := why_no_gpu(devices_of(settings), read_gpus())):
            raise _refusal("scorer", wanted, f"{why}; with validation.device = cpu it runs, slowly, without")
        return Choice(REFERENCE, ASKED_FOR)
    if why := why_not(settings):
        return Choice(EMBEDDED, f"auto: no reference scorer, {why}")
    return Choice(REFERENCE, "auto: a GPU and all packages are there")


def choose_renderer(
    wanted: str, settings: ValidationTable | None = None, *, scorer: str = REFERENCE
) -> Choice:
    """Resolves `auto`, `cpu` or `cuda`. Both draw the same pictures.

    Args:
        wanted: One of the three.
        settings: The server's table.
        scorer: What will score the pictures.

    Raises:
        ConfigError: `cuda`, naming what is missing.
    """
    settings = settings or ValidationTable()
    if wanted == CPU:
        return Choice(CPU, ASKED_FOR)
    why = _why_no_cuda(settings)
    if wanted == CUDA:
        if why:
            raise _refusal("renderer", wanted, why)
        return Choice(CUDA, ASKED_FOR)
    if scorer == EMBEDDED:
        return Choice(CPU, "auto: the embedded scorer works on the CPU, where the pictures are wanted")
    return Choice(CPU, f"auto: no CUDA renderer, {why}") if why else Choice(CUDA, "auto: gsplat is there")


def choose(settings: ValidationTable) -> tuple[Choice, Choice]:
    """Scorer and renderer as the settings ask for them.

    Raises:
        ConfigError: what is asked for can't be had here.
    """
    if not devices_of(settings):
        raise ConfigError(
            "validation.device names no device, expected such as cuda or cuda:0,cuda:1",
            key="validation.device",
        )
    scorer = choose_scorer(settings.scorer, settings)
    return scorer, choose_renderer(settings.renderer, settings, scorer=scorer.name)


def needs_device(scorer: Choice, renderer: Choice) -> bool:
    """Whether jobs run where networks and renderer are, in a worker for each device."""
    return scorer.name == REFERENCE or renderer.name == CUDA


def _wants_gpu(settings: ValidationTable) -> bool:
    return devices_of(settings) != ["cpu"]


def _why_no_cuda(settings: ValidationTable) -> str:
    return why_no_gpu(devices_of(settings), read_gpus()) or why_no_gsplat()


def _refusal(key: str, wanted: str, why: str) -> ConfigError:
    return ConfigError(f"{key} {wanted} is not available: {why}", key=key, value=wanted)
