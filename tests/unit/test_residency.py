"""Weights that move between host and device: here both are the CPU, and the bytes move all the same."""

from __future__ import annotations

import copy
import gc
import io
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from subnet17.errors import StageError  # noqa: E402
from subnet17.gpu import host_memory, residency  # noqa: E402
from subnet17.gpu.flat_layout import ALIGNMENT_BYTES, lay_out, weights_of  # noqa: E402
from subnet17.gpu.host_memory import HostBuffer  # noqa: E402
from subnet17.gpu.residency import Residence  # noqa: E402


class Net(nn.Module):
    """Weights of many kinds: tied, strided, half, integer, empty, scalar, not saved."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 6)
        self.first = nn.Linear(6, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight
        self.first.weight = nn.Parameter(torch.randn(6, 6).t())
        self.register_buffer("table", torch.randn(6, 12)[:, ::2], persistent=False)
        self.register_buffer("shift", torch.randn(6).bfloat16())
        self.register_buffer("ids", torch.arange(6))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, True]))
        self.register_buffer("scale", torch.tensor(1.5))
        self.register_buffer("none", torch.empty(0, 3))

    def forward(self, words: Tensor) -> Tensor:
        hidden = self.first(self.embed(words)) @ self.table * self.scale + self.shift + self.ids * self.mask
        return self.head(hidden)


WORDS = torch.tensor([1, 5, 10])


def tensors_of(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def test_outputs_are_equal_in_and_out_and_in_again() -> None:
    net = Net().eval()
    before = net(WORDS)
    home = Residence([net], "cpu")
    assert not home.in_place
    for _ in range(3):
        home.move_in()
        assert home.in_place
        home.wait()
        assert torch.equal(net(WORDS), before)
        home.move_out()
        assert not home.in_place
        assert torch.equal(net(WORDS), before)


def test_tensor_objects_and_strides_stay() -> None:
    net = Net()
    tensors = tensors_of(net)
    strides = [tensor.stride() for tensor in tensors]
    values = [tensor.detach().clone() for tensor in tensors]
    home = Residence([net], "cpu")
    home.move_in()
    assert all(a is b for a, b in zip(tensors_of(net), tensors, strict=True))
    assert [tensor.stride() for tensor in tensors] == strides
    assert all(torch.equal(a, b) for a, b in zip(tensors, values, strict=True))
    assert all(isinstance(parameter, nn.Parameter) for parameter in net.parameters())
    assert net.first.weight.requires_grad


def test_all_weights_lie_in_one_run_and_moving_changes_where() -> None:
    net = Net()
    home = Residence([net], "cpu")

    def storages() -> set[int]:
        return {tensor.untyped_storage().data_ptr() for tensor in tensors_of(net)}

    out = storages()
    home.move_in()
    inside = storages()
    assert len(out) == len(inside) == 1
    assert out != inside
    home.move_out()
    assert storages() == out


def test_tied_weights_are_stored_once_and_stay_tied() -> None:
    net = Net()
    alone = sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(net))
    home = Residence([net, net.embed, nn.ModuleList([net.head])], "cpu")
    assert home.nbytes < alone + ALIGNMENT_BYTES * len(tensors_of(net))
    home.move_in()
    assert net.head.weight is net.embed.weight


def test_parameters_that_share_memory_are_stored_once() -> None:
    fused = torch.randn(48, 64)
    parts = [nn.Parameter(part) for part in fused.chunk(3)]
    whole, tied = nn.Parameter(fused), nn.Parameter(fused.view(64, 48))
    home = Residence([nn.ParameterList([parts[1], whole, *parts, tied])], "cpu")
    assert home.nbytes == fused.numel() * 4
    home.move_in()
    with torch.no_grad():
        whole.zero_()
    assert not any(part.any() for part in [*parts, tied])


def test_parts_that_only_overlap_keep_their_values() -> None:
    base = torch.arange(100.0)
    parts = [nn.Parameter(base[start : start + 60]) for start in (0, 20, 40)]
    home = Residence([nn.ParameterList(parts)], "cpu")
    home.move_in()
    for start, part in zip((0, 20, 40), parts, strict=True):
        assert part.tolist() == list(range(start, start + 60))


def test_tensors_that_share_bytes_out_of_step_keep_their_values() -> None:
    memory = bytearray(range(64))
    module = nn.Module()
    module.register_buffer("bytes", torch.frombuffer(memory, dtype=torch.uint8))
    module.register_buffer("words", torch.frombuffer(memory, dtype=torch.int32, offset=2, count=4))
    expected = module.words.tolist()
    Residence([module], "cpu").move_in()
    assert module.words.tolist() == expected
    assert module.bytes.tolist() == list(range(64))


def test_what_the_weights_held_before_is_released() -> None:
    net = nn.Linear(64, 64)
    storage = weakref.ref(net.weight.untyped_storage())
    old = net.weight.data_ptr()
    Residence([net], "cpu")
    assert net.weight.data_ptr() != old
    assert storage() is None


def test_moving_out_drops_the_devices_bytes() -> None:
    net = Net()
    home = Residence([net], "cpu")
    home.move_in()
    flat = weakref.ref(home._flat)
    home.move_out()
    gc.collect()
    assert flat() is None


def test_weights_outlive_their_residence() -> None:
    net = Net().eval()
    before = net(WORDS)
    Residence([net], "cpu")
    gc.collect()
    assert torch.equal(net(WORDS), before)


def test_moves_under_inference_mode_leave_ordinary_tensors() -> None:
    net = Net()
    with torch.inference_mode():
        home = Residence([net], "cpu")
        home.move_in()
    assert not any(tensor.is_inference() for tensor in tensors_of(net))
    net(WORDS).sum().backward()


def test_modules_made_under_inference_mode_are_refused() -> None:
    with torch.inference_mode():
        net = nn.Linear(2, 2)
    with pytest.raises(StageError, match="inference_mode"):
        Residence([net], "cpu")


def test_state_dict_can_be_saved_in_place_and_loaded_elsewhere() -> None:
    net = Net().eval()
    Residence([net], "cpu").move_in()
    file = io.BytesIO()
    torch.save({name: tensor.clone() for name, tensor in net.state_dict().items()}, file)
    file.seek(0)
    other = copy.deepcopy(Net().eval())
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(WORDS), net(WORDS))


def test_failed_allocation_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net().eval()
    before = net(WORDS)
    home = Residence([net], "cpu")

    def refuse(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(residency.torch, "empty", refuse)
        with pytest.raises(torch.OutOfMemoryError):
            home.move_in()
    assert not home.in_place
    assert torch.equal(net(WORDS), before)
    home.move_in()
    assert torch.equal(net(WORDS), before)


def test_weights_without_data_are_named() -> None:
    with pytest.raises(StageError, match=r"Linear\.weight has no data"):
        Residence([nn.Linear(3, 3, device="meta")], "cpu")


def test_modules_without_weights_are_fine() -> None:
    home = Residence([nn.ReLU()], "cpu")
    home.move_in()
    assert (home.nbytes, home.in_place) == (0, True)


def test_compiled_graph_is_not_compiled_again_after_a_move() -> None:
    net = Net().eval()
    compiled_times: list[int] = []

    def backend(graph: Any, _: object) -> Callable[..., Any]:
        compiled_times.append(1)
        return graph.forward

    home = Residence([net], "cpu")
    home.move_in()
    compiled = torch.compile(net, backend=backend)
    with torch.inference_mode():
        before = compiled(WORDS)
        earlier = []  # kept, so that each move finds another address
        for _ in range(2):
            earlier.append(home._flat)
            home.move_out()
            home.move_in()
            assert torch.equal(compiled(WORDS), before)
    assert compiled_times == [1]
    assert len({flat.data_ptr() for flat in [*earlier, home._flat]}) == 3


class Stream:
    """Notes what it was asked to do."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name = name
        self.events = events

    def record_event(self) -> str:
        self.events.append(f"{self.name} records")
        return "arrived"

    def wait_event(self, event: str) -> None:
        self.events.append(f"{self.name} waits for {event}")


def test_user_waits_for_the_transfer_and_the_block_for_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    side, user = Stream("side", events), Stream("user", events)
    monkeypatch.setattr(residency, "_on_side_stream", lambda _: nullcontext(side))
    monkeypatch.setattr(residency.torch.cuda, "current_stream", lambda _: user)
    monkeypatch.setattr(
        torch.Tensor, "copy_", lambda self, source, non_blocking=False: events.append(f"copy {non_blocking}")
    )
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: events.append("block kept for user"))
    home = Residence([nn.Linear(2, 2)], "cpu")
    events.clear()
    home.wait()
    assert events == []
    home.move_in()
    home.wait()
    home.wait()
    told = ["user waits for arrived", "block kept for user"]
    assert events == ["copy True", "side records", *told, *told]


def test_float8_weights_move_with_equal_outputs() -> None:
    quantization = pytest.importorskip("torchao.quantization")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 16)).bfloat16()
    quantization.quantize_(net, quantization.Float8WeightOnlyConfig())
    inputs = torch.randn(4, 64).bfloat16()
    before = net(inputs)
    weight = net[0].weight
    home = Residence([net], "cpu")
    assert home.nbytes < 64 * 32 * 2, "stored as float8, not unpacked"
    for _ in range(2):
        home.move_in()
        assert torch.equal(net(inputs), before)
        storages = {t.untyped_storage().data_ptr() for t in weights_of([net]).plain}
        assert len(storages) == 1
        assert net[0].weight is weight
        assert isinstance(weight, nn.Parameter)
        home.move_out()
        assert torch.equal(net(inputs), before)


class Wrapper(torch.Tensor):
    """The least a quantised tensor has: no bytes of its own, a device, inner tensors."""

    inner: Tensor
    renewed = 0

    @staticmethod
    def __new__(cls, inner: Tensor, device: str = "") -> Wrapper:
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[no-any-return]
            cls, inner.shape, dtype=torch.bfloat16, device=device or inner.device
        )

    def __init__(self, inner: Tensor, device: str = "") -> None:
        self.inner = inner

    def __tensor_flatten__(self) -> tuple[list[str], dict[str, Any]]:
        return ["inner"], {}

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], _: object, __: object, ___: object) -> Wrapper:
        Wrapper.renewed += 1
        return Wrapper(inner["inner"])

    @classmethod
    def __torch_dispatch__(cls, function: Any, _: object, arguments: Any = (), __: object = None) -> Any:
        if function is torch.ops.aten.detach.default:
            return Wrapper(arguments[0].inner, arguments[0].device)
        raise NotImplementedError(function)


def test_wrapper_made_on_a_gpu_learns_where_its_inner_tensors_went() -> None:
    weight = nn.Parameter(Wrapper(torch.zeros(3, 4), "cuda:0"), requires_grad=False)
    holder = nn.ParameterList([weight])
    assert weight.device.type == "cuda"
    home = Residence([holder], "cpu")
    assert holder[0] is weight
    assert weight.device.type == "cpu"
    renewed = Wrapper.renewed
    home.move_in()
    assert Wrapper.renewed == renewed + 1
    home.move_out()
    assert Wrapper.renewed == renewed + 2
    assert weight.inner.data_ptr() == weights_of([holder]).plain[0].data_ptr()


def test_wrapper_within_a_wrapper_is_opened() -> None:
    inner = torch.arange(12.0).view(3, 4)
    weight = nn.Parameter(Wrapper(Wrapper(inner)), requires_grad=False)
    weights = weights_of([nn.ParameterList([weight])])
    assert [tensor is inner for tensor in weights.plain] == [True]
    assert weights.wrappers[-1] is weight
    assert len(weights.wrappers) == 2


shapes = st.lists(st.integers(0, 5), min_size=0, max_size=3)
dtypes = st.sampled_from(
    [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64]
)


@given(st.lists(st.tuples(shapes, dtypes, st.booleans(), st.booleans()), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_tensors_survive_the_way_in(kinds: list[tuple[list[int], Any, bool, bool]]) -> None:
    holder = nn.Module()
    for index, (shape, dtype, turned, strided) in enumerate(kinds):
        tensor = (torch.rand([2 * side for side in shape] if strided else shape) * 9).to(dtype)
        tensor = tensor[(slice(None, None, 2),) * len(shape)] if strided else tensor
        holder.register_buffer(
            f"b{index}", tensor.permute(tuple(reversed(range(tensor.dim())))) if turned else tensor
        )
        holder.register_buffer(f"tied{index}", getattr(holder, f"b{index}"))
    values = [buffer.clone() for buffer in holder.buffers()]
    strides = [buffer.stride() for buffer in holder.buffers()]
    home = Residence([holder], "cpu")
    home.move_in()
    assert all(torch.equal(a, b) for a, b in zip(holder.buffers(), values, strict=True))
    assert [buffer.stride() for buffer in holder.buffers()] == strides


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=10))
@settings(max_examples=100, deadline=None)
def test_layout_places_every_byte_once_or_where_it_is_shared(spans: list[tuple[int, int]]) -> None:
    base = torch.arange(80.0)
    tensors = [base[start : start + count] for start, count in spans]
    regions, nbytes = lay_out(tensors)
    assert sum(len(region.slots) for region in regions) == len(tensors)
    assert nbytes % ALIGNMENT_BYTES == 0
    ends = 0
    for region in regions:
        assert region.offset % ALIGNMENT_BYTES == 0
        assert region.offset >= ends
        ends = region.offset + region.nbytes
        for slot in region.slots:
            assert region.offset <= slot.offset
            assert slot.offset + slot.tensor.numel() * 4 <= ends
            assert slot.offset - region.offset == slot.tensor.data_ptr() - region.address
    assert ends <= nbytes


class Runtime:
    """Stands in for the CUDA runtime: which addresses are page-locked."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.locked: dict[int, int] = {}

    def cudaHostRegister(self, address: int, nbytes: int, flags: int) -> int:  # noqa: N802
        if not self.code:
            self.locked[address] = nbytes
        return self.code

    def cudaHostUnregister(self, address: int) -> int:  # noqa: N802
        del self.locked[address]
        return 0


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    fake = Runtime()
    monkeypatch.setattr(host_memory.torch.cuda, "cudart", lambda: fake)
    monkeypatch.setattr(host_memory.torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(host_memory.torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(host_memory, "_forget_last_error", lambda _: None)
    return fake


GPU = torch.device("cuda", 0)


def test_host_buffer_is_locked_whole_and_released_with_its_owner(runtime: Runtime) -> None:
    buffer = HostBuffer(10_000, reader=GPU)
    view = buffer.bytes[5:10]
    view.fill_(7)
    assert buffer.pinned
    assert runtime.locked == {buffer.bytes.data_ptr(): 10_000}
    assert buffer.bytes.data_ptr() % 4096 == 0
    del buffer
    assert not runtime.locked
    assert view.tolist() == [7] * 5, "who still reads it can"


def test_locked_pages_are_not_copied_by_a_fork(runtime: Runtime) -> None:
    buffer = HostBuffer(10_000, reader=GPU)
    kept: str | None = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            first, past = (int(number, 16) for number in words[0].split("-"))
            inside = first <= buffer.bytes.data_ptr() < past
        elif words[0] == "VmFlags:" and inside:
            kept = line
    assert kept is not None
    assert " dc" in kept


def test_host_buffer_for_the_cpu_is_not_locked(runtime: Runtime) -> None:
    assert not HostBuffer(100, reader=torch.device("cpu")).pinned
    assert not runtime.locked


def test_short_host_memory_leaves_it_pageable(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "available_bytes", lambda: host_memory.SPARE_BYTES + 99)
    buffer = HostBuffer(100, reader=GPU)
    assert not buffer.pinned
    assert buffer.bytes.numel() == 100


def test_refused_lock_leaves_it_pageable(runtime: Runtime) -> None:
    runtime.code = 2
    assert not HostBuffer(100, reader=GPU).pinned


def test_containers_limit_counts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "CGROUP", tmp_path)
    free = host_memory.available_bytes()
    assert free > 2**20
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    assert host_memory.available_bytes() == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert host_memory.available_bytes() > 2**20
