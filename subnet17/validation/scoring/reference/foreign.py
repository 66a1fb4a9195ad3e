"""Errors of foreign code that reads foreign files, as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from subnet17.errors import S17Error, UnavailableError


@contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Inside, whatever a model library raises becomes an error that names the network and its file.

    Raises:
        UnavailableError: a package is missing, or the weights don't fit the network.
    """
    try:
        yield
    except S17Error:
        raise
    except ImportError as error:
        if error.name is None:  # a package is there and can't be used
            raise UnavailableError(f"{what} can't be loaded: {_first_line(error)}", file=str(path)) from error
        raise UnavailableError(
            f"{what} needs {error.name}, which is not installed: run ./setup_mining_environment.sh --gpu",
            package=error.name,
        ) from error
    except MemoryError:
        raise UnavailableError(f"not enough memory to load {what}", kind="memory", file=str(path)) from None
    except Exception as error:  # config and weights that don't fit each other fail in a dozen ways
        raise UnavailableError(
            f"{path} can't be loaded as {what}: {type(error).__name__}: {_first_line(error)}",
            file=str(path),
            cause=type(error).__name__,
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]
