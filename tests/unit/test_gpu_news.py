"""What a GPU worker tells the server of itself."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from subnet17.gpu.card import Card
from subnet17.gpu.models import ModelCache
from subnet17.gpu.news import GpuNews
from subnet17.gpu.pressure import Pressure


class LostCard(Card):
    """After an illegal access CUDA answers every question, also about memory, with the same error."""

    def as_json(self) -> dict[str, object]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def news_of(card: Card, told: list[dict[str, Any]]) -> GpuNews:
    return GpuNews(card, ModelCache(card, idle_unload_s=0, reserve_bytes=0), Pressure(), told.append)


def test_only_changes_are_told() -> None:
    told: list[dict[str, Any]] = []
    card = Card("cpu")
    news = news_of(card, told)
    news.look()
    news.look()
    card.count(10**9)
    news.look()
    assert [message["card"]["allocated_bytes"] for message in told] == [0, 10**9]


def test_changed_facts_are_told() -> None:
    told: list[dict[str, Any]] = []
    news = news_of(Card("cpu"), told)
    news.look()
    news.change({"scores": "texts only"})
    assert [message.get("scores") for message in told] == [None, "texts only"]


def test_a_lost_device_does_not_hide_the_error_of_the_job_that_met_it() -> None:
    news_of(LostCard("cpu"), []).look()
