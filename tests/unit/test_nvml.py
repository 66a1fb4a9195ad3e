"""What NVML does not tell of one card hides neither the rest of it nor the others."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from subnet17.gpu.monitor import read_gpus

LOST, UNSUPPORTED = pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_NOT_SUPPORTED


class Driver:
    """NVML with two cards; `refuses` tells which questions about which card fail."""

    def __init__(self, refuses: dict[tuple[str, int], int]) -> None:
        self.refuses = refuses

    def answer(self, question: str, card: int, told: object) -> object:
        if (code := self.refuses.get((question, card))) is not None:
            raise pynvml.NVMLError(code)
        return told


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], int]:
    driver = Driver({})
    told: dict[str, object] = {
        "HandleByIndex": None,
        "MemoryInfo": SimpleNamespace(total=100, used=25),
        "Name": "card",
        "Temperature": 61,
        "UtilizationRates": SimpleNamespace(gpu=99),
        "PowerUsage": 210_500,
        "EnforcedPowerLimit": 300_000,
    }
    for name in ("nvmlInit", "nvmlShutdown"):
        monkeypatch.setattr(pynvml, name, lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    for name, value in told.items():

        def ask(card: int, *_: object, name: str = name, value: object = value) -> object:
            return driver.answer(name, card, card if name == "HandleByIndex" else value)

        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}", ask)
    return driver.refuses


def test_both_cards_are_told_whole(refuses: dict[tuple[str, int], int]) -> None:
    first, second = read_gpus()
    assert (first.used_bytes, first.temperature_deg_c, first.utilisation_percent) == (25, 61, 99)
    assert (second.index, second.power_w, second.power_limit_w) == (1, 210.5, 300.0)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("Temperature", "temperature_deg_c"),
        ("UtilizationRates", "utilisation_percent"),
        ("PowerUsage", "power_w"),
    ],
)
def test_a_figure_that_is_not_told_is_unknown(
    question: str, field: str, refuses: dict[tuple[str, int], int]
) -> None:
    refuses[question, 0] = UNSUPPORTED
    first, second = read_gpus()
    assert getattr(first, field) is None
    assert first.total_bytes == 100
    assert getattr(second, field) is not None


@pytest.mark.parametrize("question", ["HandleByIndex", "MemoryInfo"])
def test_a_lost_card_leaves_the_others(question: str, refuses: dict[tuple[str, int], int]) -> None:
    refuses[question, 0] = LOST
    assert [gpu.index for gpu in read_gpus()] == [1]
