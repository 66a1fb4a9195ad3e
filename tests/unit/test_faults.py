"""What an error says about the GPU."""

from __future__ import annotations

import pytest

from subnet17.errors import DeadlineError, StageError
from subnet17.gpu.faults import Kind, kind_of

ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below "
    "might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1.\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)

TABLE: list[tuple[str, Kind | None]] = [
    ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.6 GiB", "oom"),
    ("CUDA error: out of memory" + ADVICE, "oom"),
    ("CUDA driver error: out of memory", "oom"),
    ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "oom"),
    ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "oom"),
    ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "oom"),
    ("Triton Error [CUDA]: out of memory", "oom"),
    ("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried 9", "oom"),
    ("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9", "oom"),
    ("CUDA error: an illegal memory access was encountered" + ADVICE, "poisoned"),
    ("CUDA error: device-side assert triggered" + ADVICE, "poisoned"),
    ("CUDA error: unspecified launch failure" + ADVICE, "poisoned"),
    ("CUDA error: misaligned address", "poisoned"),
    ("CUDA error: uncorrectable ECC error encountered", "poisoned"),
    ("CUDA error: the launch timed out and was terminated", "poisoned"),
    ("CUDA error: unknown error", "poisoned"),
    ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`", "poisoned"),
    ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "poisoned"),
    ("Triton Error [CUDA]: an illegal memory access was encountered", "poisoned"),
    ("backend='inductor' raised:\nRuntimeError: CUDA error: device-side assert triggered", "poisoned"),
    ("NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus", "poisoned"),
    ("CUDA error: invalid argument" + ADVICE, None),
    ("CUDA error: invalid configuration argument" + ADVICE, None),
    ("CUDA error: no kernel image is available for execution on the device" + ADVICE, None),
    ("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`", None),
    ("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasGemmEx`", None),
    ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", None),
    ("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!", None),
    ("", None),
]


@pytest.mark.parametrize(("message", "kind"), TABLE, ids=[message[:60] for message, _ in TABLE])
def test_messages(message: str, kind: Kind | None) -> None:
    assert kind_of(RuntimeError(message)) == kind


def test_torchs_own_class_is_known_whatever_it_says() -> None:
    torch = pytest.importorskip("torch")
    assert kind_of(torch.OutOfMemoryError("no words")) == "oom"


def test_host_memory_counts_too() -> None:
    assert kind_of(MemoryError()) == "oom"


def test_a_declared_cause_is_seen_through_a_stages_error() -> None:
    error = StageError("decode failed", stage="decode")
    error.__cause__ = RuntimeError("CUDA error: an illegal memory access was encountered")
    assert kind_of(error) == "poisoned"


def test_an_error_met_while_handling_another_is_judged_alone() -> None:
    error = DeadlineError("too late", stage="decode")
    error.__context__ = RuntimeError("CUDA out of memory")
    assert kind_of(error) is None


def test_causes_that_go_round_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert kind_of(first) is None
