"""What the orchestrator remembers and what it is told, on disk: `<data_dir>/orchestrator/`.

    lock         held by the one process that acts; the kernel lets go of it when that process dies
    state.json   written by the holder of the lock: how each process is doing
    orders.json  written by the commands: what the operator wants; followed by the holder of the lock

Both files are replaced whole, so a reader or a crash sees the old one or the new one, never a part.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from subnet17.errors import ConfigError, S17Error
from subnet17.log import get_logger
from subnet17.ops.crash_loops import CrashRecord
from subnet17.settings import Settings
from subnet17.whole_file import write_whole

M = TypeVar("M", bound=BaseModel)

log = get_logger()

LOCK_TRIES = 5
LOCK_PAUSE_S = 0.05

Doing = Literal["down", "waiting", "starting", "healthy", "failing", "restarting", "stopping", "aside"]
SETTLED: frozenset[Doing] = frozenset({"down", "healthy", "aside"})


class Checked(BaseModel):
    """Where a process is asked: its settings may have changed since it started."""

    pid: int = 0
    host: str = ""
    port: int = 0


class ProcessState(BaseModel):
    """One process as the orchestrator sees it.

    Attributes:
        doing: waiting: for those that start before it; failing: checks fail, not yet often enough.
        why: What its last check, or whoever stopped it, said.
        crashes: Its failures.
        restarts: All since everything was stopped last, by the supervisor or by the orchestrator.
        proved_pid: The process that was healthy last: it is not given the time of a start again.
        checked: The process that is checked.
    """

    doing: Doing = "down"
    why: str = ""
    crashes: CrashRecord = Field(default_factory=CrashRecord)
    restarts: int = 0
    proved_pid: int = 0
    checked: Checked = Field(default_factory=Checked)


class State(BaseModel):
    """All that is remembered.

    Attributes:
        supervisor: "pm2" or "own"; empty before the first start.
        pid: The process that wrote it.
        pm2_home: Of the PM2 that started processes last; empty where none has.
        local: Started with a local subnet.
        orders_done: Number of the last orders that were carried out.
        processes: By name.
    """

    supervisor: str = ""
    pm2_home: str = ""
    pid: int = 0
    local: bool = False
    orders_done: int = 0
    processes: dict[str, ProcessState] = Field(default_factory=dict)

    def of(self, name: str) -> ProcessState:
        """A process's part; made when there is none yet."""
        return self.processes.setdefault(name, ProcessState())

    def is_settled(self, names: Iterable[str]) -> bool:
        """Whether nothing is under way with these that a command should wait for."""
        return all(self.of(name).doing in SETTLED for name in names)


class Orders(BaseModel):
    """What the operator wants.

    Attributes:
        number: Grows with each order.
        stopped: Processes that stay down until they are started again.
        starts: For each process, the number of the order that starts it, also out of a pause.
        restarts: For each process, the number of the order that restarts it.
    """

    number: int = 0
    stopped: set[str] = Field(default_factory=set)
    starts: dict[str, int] = Field(default_factory=dict)
    restarts: dict[str, int] = Field(default_factory=dict)


class Files:
    """The three files.

    Args:
        settings: Says where the data folder is.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data_dir / "orchestrator"
        self._saved = ""
        self._not_saved = ""

    def read_state(self) -> State:
        """The state; an empty one where none was kept or it can't be read, which is logged."""
        return _read(self.folder / "state.json", State)

    def save(self, state: State) -> None:
        """Writes the state if it has changed. A full disk must not end the supervision: told once."""
        text = state.model_dump_json(indent=1)
        if text == self._saved:
            return
        try:
            write_whole(self.folder / "state.json", text)
            self._saved, self._not_saved = text, ""
        except OSError as error:
            if str(error) != self._not_saved:
                log.error("the state can't be saved", why=str(error))
            self._not_saved = str(error)

    def read_orders(self) -> Orders:
        """The last orders."""
        return _read(self.folder / "orders.json", Orders)

    def order(self, change: Callable[[Orders], None]) -> Orders:
        """Gives new orders: the last ones, changed by `change`. One giver at a time."""
        with self._locked("orders.lock", fcntl.LOCK_EX):
            orders = self.read_orders()
            # also where one of the two files was lost
            orders.number = max(orders.number, self.read_state().orders_done) + 1
            change(orders)
            write_whole(self.folder / "orders.json", orders.model_dump_json(indent=1))
        return orders

    @property
    def holder(self) -> str:
        """Who acts now, as it called itself; empty when nobody does. Writes nothing."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDONLY)
        except FileNotFoundError:  # nobody has ever held it
            return ""
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(OSError):
                return (self.folder / "lock").read_text() or "another process"
            return "another process"
        finally:
            os.close(lock)
        return ""

    @property
    def run_lives(self) -> bool:
        """Whether a `run` acts now, whose state this is."""
        return self.holder == f"run (pid {self.read_state().pid})"

    def end_holder(self) -> bool:
        """Asks the process that acts now to end; returns whether there was one.

        Raises:
            S17Error: it is another user's.
        """
        holder = self.holder
        named = re.search(r"\(pid (\d+)\)$", holder)
        if named is None:
            return False
        try:
            os.kill(int(named[1]), signal.SIGTERM)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise S17Error(
                f"{holder} looks after the processes, and is another user's: stop it there"
            ) from None
        return True

    @contextmanager
    def acting(self, name: str, *, needs_writing: bool = True) -> Iterator[None]:
        """Holds the lock while the block runs.

        Args:
            name: The command, shown to others.
            needs_writing: False: goes on where the folder can't be written, with a warning.

        Raises:
            ConfigError: another process holds it.
            OSError: the folder can't be written, and must be.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            if needs_writing or error.errno not in {errno.EROFS, errno.EACCES}:
                raise
            log.warning("the orchestrator's folder can't be written", folder=str(self.folder))
            if not (self.folder / "lock").exists():  # nobody has ever held it
                yield
                return
            lock = os.open(self.folder / "lock", os.O_RDONLY)
        try:
            if not _lock_soon(lock):
                raise ConfigError(
                    f"another orchestrator is at work: {self.holder or 'one that has just ended'}; "
                    f"only one may act (it holds {self.folder / 'lock'})"
                )
            with suppress(OSError):  # on a full disk it is held all the same
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{name} (pid {os.getpid()})".encode(), 0)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[int]:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, how)
            yield lock
        finally:
            os.close(lock)


def _lock_soon(lock: int) -> bool:
    """Whether it could be locked; others look at it for a moment to see whether it is held."""
    for _ in range(LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_PAUSE_S)
    return False


def _read(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return model()
    except (OSError, ValidationError) as error:
        log.warning(
            "a file of the orchestrator can't be read, it starts anew", file=str(path), why=str(error)
        )
        return model()
