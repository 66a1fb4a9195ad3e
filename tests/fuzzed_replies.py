"""Validators whose replies are damaged valid ones: bytes, JSON, headers, status lines, at random by a seed.

They live below httpx, as a network backend: what they say goes through the real HTTP parser.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import httpcore
import httpx
from mutations import mutate

RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-400", "0x10", "01", "-", "'a'", "nul", ""),
    *(
        "9" * 400,
        "1" + "0" * 5000,
        "1." + "0" * 5000,
        "[" * 2000 + "]" * 2000,
        '{"a":' * 2000 + "1" + "}" * 2000,
    ),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\x"', '"a', "[" * 50_000),
)
"""JSON values, and what is none, that `json.dumps` would not write."""
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**62, 2**63, -(2**63) - 1, 10**30, 1e308, 5e-324),
    *("", " ", "x" * 300, "x" * 100_000, "\x1b[31m", "\u202e", "\x00", "é" * 50, "1700000000", "NaN"),
    *([], {}, [[]], [None], {"type": "text"}, ["text"], {"type": "image", "id": "i", "prompt": "%%%"}),
)
STATUS_LINES = (
    *(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 100 C\r\n\r\n" * 50,
        "HTTP/1.1 101 Switching",
    ),
    *(
        "HTTP/1.1 204 No",
        "HTTP/1.1 206 Part",
        "HTTP/1.1 301 Moved\r\nlocation: http://192.0.2.1/",
        "HTTP/1.1 304 X",
    ),
    *("HTTP/1.1 400 Bad", "HTTP/1.1 401 No", "HTTP/1.1 403 No", "HTTP/1.1 404 No", "HTTP/1.1 429 Slow"),
    *("HTTP/1.1 500 Oops", "HTTP/1.1 502 Bad", "HTTP/1.1 503 Busy", "HTTP/1.1 599 Odd", "HTTP/1.1 600 Odd"),
    *("HTTP/1.1 99 Low", "HTTP/1.1 2000 High", "HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.0 200 OK"),
    *("HTTP/0.9 200 OK", "HTTP/2 200 OK", "HTTP/1.1 two OK", "SSH-2.0-OpenSSH_9", "", "\x00", "220 mail"),
)
HEADERS = (
    *("content-length: 5", "content-length: -1", "content-length: 99999999999", "content-length: x"),
    *("content-length: 2\r\ncontent-length: 3", "transfer-encoding: chunked", "transfer-encoding: gzip"),
    *("transfer-encoding: chunked\r\ncontent-length: 2", "content-encoding: gzip", "content-encoding: br"),
    *(
        "content-encoding: identity, gzip",
        "content-encoding: ",
        "connection: keep-alive",
        "connection: upgrade",
    ),
    *("date: yesterday", "date: Mon, 99 Foo 99999 99:99:99 GMT", "date: Fri, 31 Dec 9999 23:59:59 GMT"),
    *("date: Mon, 01 Jan 0001 00:00:00 GMT", "date: Thu, 01 Jan 1970 00:00:00 -0000", "date: ", "date: 1"),
    *("date: Mon, 01 Jan 2024 00:00:00 +9999", "date: Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    *("date: Sat, 01 Jan 2000 00:00:00 GMT", "date: Tue, 01 Jan 2124 00:00:00 GMT", "date: \xff\xfe"),
    *("no colon", " folded", ": nameless", "x: \x00", "x: " + "y" * 100_000, "x: y\r\n" * 500 + "x: y"),
)


@dataclass
class FuzzedValidators(httpcore.AsyncNetworkBackend):
    """Every host and port is one; they keep no state.

    Attributes:
        damaged: Replies that were not as they should be, by the message they answer.
    """

    rng: random.Random
    now_s: Callable[[], float]
    damaged: Counter[str] = field(default_factory=Counter)
    _tasks: int = 0

    def client(self) -> httpx.AsyncHTTPTransport:
        """A transport for httpx that ends at these validators."""
        transport = httpx.AsyncHTTPTransport()
        transport._pool = httpcore.AsyncConnectionPool(network_backend=self, max_keepalive_connections=0)
        return transport

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(self)

    def answer(self, request: bytes) -> bytes:
        """The bytes of a reply."""
        name = request[6 : request.index(b" HTTP")].decode()
        tree = self._tree(name, request)
        if self.rng.random() < (0.3 if name == "PullTask" else 0.1):
            return _wire("HTTP/1.1 200 OK", self._headers(), json.dumps(tree).encode())
        self.damaged[name] += 1
        return self._damage(tree)

    def _tree(self, name: str, request: bytes) -> dict[str, Any]:
        now_s = int(self.now_s())
        if name == "GetVersion":
            return {"version": 1, "validation_version": "1.2.3"}
        if name == "SubmitResults":
            score = self.rng.choice((0.0, 0.0, 0.8))
            feedback = {
                "task_fidelity_score": score,
                "current_miner_reward": 12.5,
                "validation_failed": False,
            }
            until_s = now_s + self.rng.choice((-10, 0, 270, 300, 880, 3600))
            return {"feedback": feedback, "cooldown_until": until_s, "results": "", "task": None}
        self._tasks += 1
        kind, prompt = self.rng.choice((("text", "a red chair"), ("image", "iVBORw0KGgo=")))
        task = {"type": kind, "id": f"fuzzed-{self._tasks}", "prompt": prompt}
        facts = {"validation_threshold": 0.6, "throttle_period": 30, "cooldown_violations": 0}
        if self.rng.random() < 0.1:
            return {"task": None, "cooldown_until": now_s + self.rng.choice((100, 300, 3600)), **facts}
        return {"task": task, "cooldown_until": 0, **facts}

    def _headers(self) -> list[str]:
        return [f"date: {formatdate(self.now_s(), usegmt=True)}", "content-type: application/json"]

    def _damage(self, tree: dict[str, Any]) -> bytes:
        rng, status, headers = self.rng, "HTTP/1.1 200 OK", self._headers()
        body = json.dumps(tree).encode()
        kind = rng.choice(("json", "json", "json", "bytes", "body", "headers", "status", "cut", "chunks"))
        if kind == "json":
            body = damage_json(rng, tree)
        elif kind == "body":
            body = mutate(rng, body)
        elif kind == "headers":
            headers += rng.sample(HEADERS, rng.choice((1, 1, 2)))
        elif kind == "status":
            status = rng.choice(STATUS_LINES)
        elif kind == "chunks":
            return _chunked(rng, status, headers, body)
        wire = _wire(status, headers, body)
        if kind == "bytes":
            return mutate(rng, wire)
        return wire[: rng.randrange(len(wire))] if kind == "cut" else wire


def damage_json(rng: random.Random, tree: dict[str, Any]) -> bytes:
    """JSON text with one to three values, keys or the whole replaced."""
    raw: list[str] = []

    def odd() -> Any:
        if rng.random() < 0.4:
            raw.append(rng.choice(RAW))
            return f"@{len(raw) - 1}@"
        return copy.deepcopy(rng.choice(ODD))

    if rng.random() < 0.05:
        tree = odd()
    for _ in range(rng.choice((1, 1, 2, 3))):
        nodes = list(_dicts_in(tree))
        if not nodes:
            break
        node = rng.choice(nodes)
        key = rng.choice(list(node) or ["task"])
        edit = rng.randrange(8)
        if edit == 0:
            node.pop(key, None)
        elif edit == 1:
            node[
                rng.choice(("axon", "dendrite", "name", "timeout", "body_hash", "__class__", "\ud800", "é"))
            ] = odd()
        else:
            node[key] = odd()
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.7)
    text = re.sub(r'"@(\d+)@"', lambda match: raw[int(match[1])], text)
    return text.encode("utf-8", "surrogatepass")


def _dicts_in(tree: Any) -> Iterable[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _dicts_in(value)


def _wire(status: str, headers: list[str], body: bytes) -> bytes:
    named = {line.partition(":")[0] for line in headers}
    framing = [] if named & {"content-length", "transfer-encoding"} else [f"content-length: {len(body)}"]
    head = "\r\n".join([status, *headers, *framing, "", ""])
    return head.encode("latin-1", "replace") + body


def _chunked(rng: random.Random, status: str, headers: list[str], body: bytes) -> bytes:
    sizes = (
        f"{len(body):x}",
        "0",
        "-1",
        "ffffffffffffffff",
        "x",
        "",
        f"{len(body) + 5:x}",
        f"{len(body):x};a=b",
    )
    size = rng.choice(sizes).encode()
    end = rng.choice((b"\r\n0\r\n\r\n", b"\r\n0\r\nx: y\r\n\r\n", b"", b"\r\n", b"\r\n0\r\n\x00: \r\n\r\n"))
    return _wire(status, [*headers, "transfer-encoding: chunked"], size + b"\r\n" + body + end)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection: reads a request, sends a reply in pieces, hangs up."""

    def __init__(self, validators: FuzzedValidators) -> None:
        self._validators = validators
        self._request = bytearray()
        self._reply: bytes | None = None
        self._piece_bytes = validators.rng.choice((40, *[65_536] * 9))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._request += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._reply is None:
            self._reply = self._validators.answer(bytes(self._request))
        size = min(max_bytes, self._piece_bytes)
        piece, self._reply = self._reply[:size], self._reply[size:]
        return piece

    async def aclose(self) -> None:
        self._reply = b""

    def get_extra_info(self, info: str) -> Any:
        return None
