"""Embeddings of what was asked for lately: several candidates of one task share a prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from torch import Tensor

K = TypeVar("K", bound=Hashable)

LIMIT = 256
"""Of 1.5 to 2.5 KB each, on the device."""


class Kept(Generic[K]):
    """The last `limit` embeddings; the one unused for longest goes first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._embeddings: OrderedDict[K, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._embeddings)

    def get(self, key: K, make: Callable[[], Tensor]) -> Tensor:
        """The embedding of `key`, made if it is not there."""
        if key in self._embeddings:
            self._embeddings.move_to_end(key)
            return self._embeddings[key]
        self._embeddings[key] = embedding = make()
        if len(self._embeddings) > self._limit:
            self._embeddings.popitem(last=False)
        return embedding

    def clear(self) -> None:
        """Forgets all."""
        self._embeddings.clear()
