"""A service's stand-in for tests of the orchestrator: same port, pages and signals, up in no time.

Run under a service's script name in a copy of the project. `<name>.mode` beside it, read at the start and at
each request, says how it misbehaves: crash (exit 1 at the start), not_ready, broken (500 to work), slow_drain
(needs most of a second to end). Each start, request for work and orderly end is a line in `history`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NAME = Path(__file__).stem
TABLES = {"generation_server": "GENERATION", "validation_server": "VALIDATION", "subnet17_miner": "MINER"}


def mode() -> str:
    path = FOLDER / f"{NAME}.mode"
    return path.read_text().strip() if path.exists() else ""


def note(what: str) -> None:
    with (FOLDER / "history").open("a") as file:
        file.write(f"{time.time():.3f} {NAME} {what}\n")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/health"):
            ready = mode() != "not_ready"
            self.reply(200 if ready else 503, {"ready": ready, "reason": None if ready else "no weights"})
            return
        page = {"queue": {"running": 0, "waiting": 0}, "jobs": {"succeeded": 0}}
        self.reply(200, page | {"pulling": True, "validators": []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        note("asked")
        if mode() == "broken":
            self.reply(500, {"error": {"code": "stage_failed", "message": "out of paint", "detail": {}}})
        else:
            self.reply(200, {"score": 0.5}, {"X-Splats": "7000"})

    def reply(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> int:
    note(f"start {os.getpid()}")
    if mode() == "crash":
        print("error: no wallet", file=sys.stderr)
        return 1
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ[f"S17_{TABLES[NAME]}__PORT"])), Page)

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.serve_forever(poll_interval=0.05)
    note("drain")
    if mode() == "slow_drain":
        time.sleep(0.8)
    note("end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
