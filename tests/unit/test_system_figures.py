"""The machine's figures on the operator's routes."""

from __future__ import annotations

import threading

from subnet17.gpu.monitor import GpuState
from subnet17.serving.system_figures import SystemFigures

CARD = GpuState(index=0, name="a card", total_bytes=24 * 10**9, used_bytes=10**9)


async def test_the_machine_and_its_gpus_are_told() -> None:
    told = await SystemFigures(lambda: [CARD]).measure_all()
    assert told["gpus"] == [CARD.as_json()]
    assert 0 < told["memory_available_bytes"] < told["memory_total_bytes"]  # type: ignore[operator]
    assert told["process_rss_bytes"] > 10**6  # type: ignore[operator]


async def test_a_driver_that_is_stuck_keeps_no_answer_and_is_asked_once() -> None:
    asked, answers = [], threading.Event()

    def read() -> list[GpuState]:
        asked.append(threading.get_ident())
        answers.wait(60)
        return [CARD]

    figures = SystemFigures(read, patience_s=0.05)
    for _ in range(20):  # more than the event loop has threads for
        told = await figures.measure_all()
        assert told["gpus"] is None and told["disk_free_bytes"]
    assert len(asked) == 1
    answers.set()
    while (told := await figures.measure_all())["gpus"] is None:
        ...
    assert told["gpus"] == [CARD.as_json()]
