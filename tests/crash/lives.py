"""Starts the miner, reads its log line by line, and kills it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Line:
    """One line of the log.

    Attributes:
        at_s: When it was read, on the monotonic clock: some tenths of a millisecond after it was written.
        fields: What it says; only `event` where it was not JSON.
    """

    at_s: float
    fields: dict[str, Any]

    @property
    def state(self) -> str:
        """What the line says its task has reached; empty in other lines."""
        return str(self.fields.get("state") or "")

    @property
    def task(self) -> str:
        """The task it is about, if any."""
        return str(self.fields.get("task") or "")


class Starter(Protocol):
    """How a miner is started."""

    def start(self, arguments: list[str], output: int) -> int:
        """Starts one that writes to a descriptor; its process id."""

    def reap(self, process_id: int) -> int | None:
        """After its end: the exit code where it can be told."""


class Execute:
    """The real command, as PM2 starts it."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, arguments: list[str], output: int) -> int:
        process = subprocess.Popen(
            [sys.executable, str(REPO / "subnet17_miner.py"), *arguments],
            cwd=REPO,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._processes[process.pid] = process
        return process.pid

    def reap(self, process_id: int) -> int | None:
        return self._processes.pop(process_id).wait(60)


class Fork:
    """The real `main` in forks of a process that has imported it: a tenth of the start's cost."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
                cwd=REPO,
                env=clean_environment() | {"PYTHONPATH": str(REPO)},
                pass_fds=[theirs.fileno()],
            )

    def start(self, arguments: list[str], output: int) -> int:
        socket.send_fds(self._orders, [json.dumps(arguments).encode()], [output])
        return int.from_bytes(self._orders.recv(8), "big")

    def reap(self, process_id: int) -> int | None:
        return None

    def close(self) -> None:
        """Ends the fork server."""
        self._orders.close()
        self._server.wait(10)


def clean_environment() -> dict[str, str]:
    """Ours without settings that would reach the processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("S17_")}


class Life:
    """One run of the miner, from its start to its end.

    Attributes:
        ended: The process has closed its output: it is dead.
    """

    def __init__(self, starter: Starter, arguments: list[str]) -> None:
        self.lines: list[Line] = []
        self.started_s = time.monotonic()
        self.killed_s: float | None = None
        self.ended = False
        self._starter = starter
        self._news = asyncio.Event()
        self._reader_end, writer_end = os.pipe()
        try:
            self.process_id = starter.start(arguments, writer_end)
        finally:
            os.close(writer_end)
        self._reading = asyncio.create_task(self._read())

    async def find(self, wanted: Callable[[Line], bool], *, within_s: float) -> Line | None:
        """The first line so far or to come; None when the miner ends without it or time is up."""
        seen = 0
        try:
            async with asyncio.timeout(within_s):
                while True:
                    self._news.clear()
                    for line in self.lines[seen:]:
                        if wanted(line):
                            return line
                    seen = len(self.lines)
                    if self.ended:
                        return None
                    await self._news.wait()
        except TimeoutError:
            return None

    async def kill(self) -> None:
        """SIGKILL; returns when all that it had written was read."""
        if not self.ended:
            self.killed_s = time.monotonic()
            os.kill(self.process_id, signal.SIGKILL)
        await self._reading
        self._starter.reap(self.process_id)

    async def stop(self, *, within_s: float) -> int | None:
        """SIGTERM and an end in order.

        Returns:
            The exit code where the starter can tell it.
        """
        if not self.ended:
            os.kill(self.process_id, signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(self._reading)
        except TimeoutError:
            await self.kill()
            return None
        return self._starter.reap(self.process_id)

    def tail(self, count: int = 20) -> str:
        """The last lines, for people."""
        return "\n".join(json.dumps(line.fields) for line in self.lines[-count:])

    async def _read(self) -> None:
        reader = asyncio.StreamReader(limit=2**20)
        loop = asyncio.get_running_loop()
        with os.fdopen(self._reader_end, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
            try:
                while text := await reader.readline():
                    self.lines.append(Line(time.monotonic(), _fields_of(text)))
                    self._news.set()
            finally:
                transport.close()
                self.ended = True
                self._news.set()


def _fields_of(text: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    return tree if isinstance(tree, dict) else {"event": text.decode("utf-8", "replace").rstrip()}
