"""What the local subnet asks for: prompts from a list, and a share of pictures."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from importlib import resources
from typing import TypeVar

from subnet17.localnet.pictures import Picture
from subnet17.mining.protocol import ImageTask, Task, TextTask

T = TypeVar("T")


class TaskDeck:
    """Deals tasks; no text and no picture comes again before all of its kind were dealt."""

    def __init__(
        self,
        prompts: Sequence[str],
        pictures: Sequence[Picture],
        *,
        image_share: float,
        rng: random.Random,
    ) -> None:
        """
        Args:
            image_share: Probability, 0..1, that a task is a picture. Needs pictures when above 0.
        """
        self._prompts, self._pictures = prompts, pictures
        self._image_share = image_share
        self._rng = rng
        self._prompt_pile: list[str] = []
        self._picture_pile: list[Picture] = []

    def deal(self) -> tuple[Task, str]:
        """A new task and its title for people."""
        task_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        if self._rng.random() < self._image_share:
            picture = self._draw(self._picture_pile, self._pictures)
            return ImageTask(id=task_id, prompt=picture.png_base64), f"picture of {picture.title}"
        prompt = self._draw(self._prompt_pile, self._prompts)
        return TextTask(id=task_id, prompt=prompt), prompt

    def _draw(self, pile: list[T], everything: Sequence[T]) -> T:
        if not pile:
            pile.extend(self._rng.sample(everything, len(everything)))
        return pile.pop()


def load_prompts() -> list[str]:
    """The texts in prompts.txt, one a line."""
    text = resources.files(__package__).joinpath("prompts.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]
