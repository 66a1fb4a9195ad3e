"""Replays a function of tensors as a CUDA graph: for hosts that launch kernels slower than the GPU runs them.

Covers: functions that do the same on the device at every call of the same shapes, and never wait for it.
They run as they are for their first calls at one place of their weights; then the graph is recorded and
replayed. A graph holds addresses: models that move in and out all the time never get there, and those that
stay on a large card do. Where recording fails the function goes on as it was, and the log says so.
Does not cover: the CPU, where nothing is recorded; calls from several threads at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from subnet17.log import get_logger

log = get_logger()

RECORD_AFTER = 40
"""Calls of one kind before it is recorded: recording costs as much as some dozens of calls save."""
ONCE_PER_ASSET = 8
"""The same for what runs once per asset."""
MAX_GRAPHS = 4
"""Kinds of calls that are recorded; each holds memory for what it computes."""

Key = tuple[Any, ...]


class Recording(Protocol):
    """What a recorder gives: runs the same kernels on the same memory."""

    def replay(self) -> None:
        """Repeats what was recorded."""


Recorder = Callable[[Callable[[], object]], Recording]
"""Runs a function once, recording it."""


class Recorded:
    """Calls `function`, after some calls from a recording.

    Args:
        function: Takes and gives trees (tuples, lists, dicts, model outputs) of tensors and constants.
        place: Where the function's weights are now: a recording is only good there.
        after: Calls before recording.
        recorder: Records on the GPU; replaced in tests.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        place: Callable[[], object],
        *,
        after: int = RECORD_AFTER,
        recorder: Recorder | None = None,
    ) -> None:
        self._function = function
        self._place = place
        self._after = after
        self._recorder = recorder
        self._seen: Counter[Key] = Counter()
        self._graphs: dict[Key, _Graph] = {}
        self._where: object = None

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """What the function returns; tensors are the caller's own."""
        leaves, tree = pytree.tree_flatten((args, keywords))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if self._recorder is None and not (tensors and all(t.is_cuda for t in tensors)):
            return self._function(*args, **keywords)
        if (where := self._place()) != self._where:
            self.forget()
            self._where = where
        key = (tree, *(_kind(leaf) for leaf in leaves))
        if key not in self._graphs:
            self._seen[key] += 1
            if self._seen[key] != self._after or len(self._graphs) >= MAX_GRAPHS:
                return self._function(*args, **keywords)
            if not self._record(key, leaves, tree):
                return self._function(*args, **keywords)
        return self._graphs[key].run(tensors)

    def forget(self) -> None:
        """Drops all recordings and their memory, as when the weights move."""
        self._graphs.clear()
        self._seen.clear()

    def _record(self, key: Key, leaves: list[Any], tree: Any) -> bool:
        try:
            self._graphs[key] = _Graph(self._function, leaves, tree, self._recorder or _GpuRecording)
        except (
            RuntimeError
        ) as error:  # what the function does can't be recorded; counted on, never tried again
            if isinstance(error, torch.OutOfMemoryError):
                raise
            log.warning("could not record", why=f"{type(error).__name__}: {error}"[:300])
            return False
        return True


class _Graph:
    """One recording with the tensors that it reads and writes."""

    def __init__(
        self, function: Callable[..., Any], leaves: list[Any], tree: Any, recorder: Recorder
    ) -> None:
        self._inputs = [leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)]
        inputs = iter(self._inputs)
        own = [next(inputs) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        args, keywords = pytree.tree_unflatten(own, tree)
        answers: list[Any] = []
        with _on(self._inputs):
            self._recording = recorder(lambda: answers.append(function(*args, **keywords)))
        self._outputs, self._form = pytree.tree_flatten(answers[-1])

    def run(self, tensors: list[Tensor]) -> Any:
        with _on(self._inputs):
            for own, given in zip(self._inputs, tensors, strict=True):
                own.copy_(given)
            self._recording.replay()
        found = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in self._outputs]
        return pytree.tree_unflatten(found, self._form)


def _on(tensors: list[Tensor]) -> AbstractContextManager[Any]:
    """Graphs are recorded and replayed on the current device, which need not be the weights'."""
    return torch.cuda.device(tensors[0].device) if tensors and tensors[0].is_cuda else nullcontext()


def record_forward(module: nn.Module, *, after: int = RECORD_AFTER) -> Recorded:
    """Replaces a module's `forward` by a recorded one."""
    weight = next(iter(module.parameters()))
    recorded = Recorded(module.forward, weight.data_ptr, after=after)
    module.forward = recorded
    return recorded


def _kind(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype, leaf.stride()) if isinstance(leaf, Tensor) else leaf


class _Pool:
    """Memory for what a device's recordings compute, shared: each takes what the others leave free.

    One is replayed at a time, and its answers are copied out of it at once. A pool can't be used again
    once its last recording is gone, so it lives as long as these.
    """

    def __init__(self) -> None:
        self.handle = torch.cuda.graph_pool_handle()


_pools: WeakValueDictionary[int, _Pool] = WeakValueDictionary()


class _GpuRecording:
    """A CUDA graph on the current device, recorded from a run of `run`."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._pool = _pools.setdefault(torch.cuda.current_device(), _Pool())
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: another thread may be moving a model in meanwhile
        with torch.cuda.graph(self._graph, pool=self._pool.handle, capture_error_mode="thread_local"):
            run()

    def replay(self) -> None:
        """See `Recording`."""
        self._graph.replay()
