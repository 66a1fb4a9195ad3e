"""Imports the miner once and forks it on demand, for nights of thousands of starts.

Started with the number of a Unix socket's descriptor. Each message on it is the JSON list of the miner's
arguments, with the descriptor its output goes to; the answer is the process's id. A forked miner runs the
real `main`, from the reading of its settings on; only the interpreter's start and the imports are spared.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import socket
import sys

MAX_MESSAGE_BYTES = 65_536
IMPORTED_LATE = ("chain", "miner", "servers", "status", "transport", "wallet")
"""By `run_miner`; between them they load everything."""


def main(descriptor: int) -> None:
    """Serves until the other end hangs up."""
    os.environ["BT_NO_PARSE_CLI_ARGS"] = "1"  # before bittensor is imported
    mine = importlib.import_module("subnet17.mining.cli").main
    for name in IMPORTED_LATE:
        importlib.import_module(f"subnet17.mining.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are reaped by the kernel
    orders = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, MAX_MESSAGE_BYTES, 1)
        if not message:
            return
        process_id = os.fork()
        if process_id == 0:
            orders.close()
            _take_over(descriptors[0])
            os._exit(mine(json.loads(message)))
        os.close(descriptors[0])
        orders.send(process_id.to_bytes(8, "big"))


def _take_over(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()  # or all children would draw the same jitter


if __name__ == "__main__":
    main(int(sys.argv[1]))
