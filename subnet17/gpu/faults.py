"""Tells errors of the GPU apart: out of memory (free some, try again) from a lost device (start anew).

Works on class names and messages and imports no torch, so that a server process can use it too. Covers
torch and its allocators, cuBLAS, cuDNN, Triton, onnxruntime. CUDA reports errors late: the frame that a
lost device is noticed in is rarely the one at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from subnet17.errors import DeviceLostError

Kind = Literal["oom", "poisoned"]

OOM_CLASSES = frozenset({"OutOfMemoryError", "MemoryError"})

OOM = re.compile(
    r"out of memory|can't allocate memory|failed to allocate memory|cudaErrorMemoryAllocation"
    r"|(CUBLAS|CUDNN|CUSPARSE|CUSOLVER)_STATUS_ALLOC_FAILED|CUFFT_ALLOC_FAILED"
    # what cublasCreate says when its workspace does not fit
    r"|CUBLAS_STATUS_NOT_INITIALIZED.*cublasCreate"
    r"|INSUFFICIENT_WORKSPACE",
    re.IGNORECASE,
)

HARMLESS = re.compile(
    # calls that were refused before anything ran: the context is as good as before
    r"invalid argument|invalid configuration argument|invalid device ordinal|invalid device function"
    r"|no kernel image is available|too many resources requested|not supported|NOT_SUPPORTED"
    r"|CUBLAS_STATUS_INVALID_VALUE|CUDNN_STATUS_BAD_PARAM|capturing|already (been )?enabled",
    re.IGNORECASE,
)

POISONED = re.compile(
    r"CUDA error:|CUDA driver error:|Triton Error \[CUDA\]"
    r"|cudaErrorIllegalAddress|CUDNN_STATUS_EXECUTION_FAILED"
    r"|illegal memory access|device-side assert|unspecified launch failure|misaligned address"
    r"|illegal instruction was encountered|uncorrectable (ECC|NVLink) error|\bXid\b|GPU is lost"
    r"|launch timed out|CUDA failure \d",
    re.IGNORECASE,
)


def kind_of(error: BaseException) -> Kind | None:
    """What an error, or one of its declared causes, says about the device.

    Returns:
        "oom": an allocation failed, the device is sound. "poisoned": this process's CUDA context is lost,
        every further call will fail. None: no fault of the device.
    """
    return next((kind for link in _causes(error) if (kind := _judge(link))), None)


@contextmanager
def telling_loss() -> Iterator[None]:
    """Turns errors that mean a lost device, wherever they were noticed, into `DeviceLostError`.

    Raises:
        DeviceLostError: the GPU answers this process no more.
    """
    try:
        yield
    except DeviceLostError:
        raise
    except Exception as error:
        if kind_of(error) != "poisoned":
            raise
        told = (str(error).strip().splitlines() or [""])[0][:300]
        raise DeviceLostError(f"the GPU is lost to this process: {told}", stage="gpu") from error


def _judge(error: BaseException) -> Kind | None:
    message = str(error)
    if _is_oom_class(error) or (isinstance(error, Exception) and OOM.search(message)):
        return "oom"
    return "poisoned" if any(map(_tells_of_loss, message.splitlines())) else None


def _tells_of_loss(line: str) -> bool:
    # torch ends each CUDA error with advice that speaks of device-side assertions
    advice = "TORCH_USE_CUDA_DSA" in line
    return not advice and bool(POISONED.search(line)) and not HARMLESS.search(line)


def _is_oom_class(error: BaseException) -> bool:
    return any(base.__name__ in OOM_CLASSES for base in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    # `raise ... from` only: an error met while another was handled says nothing of that other one
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__
