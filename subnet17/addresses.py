"""Addresses: who can reach one that is listened on, and what can be asked over HTTP."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

HOST = re.compile(r"[\w.-]+|\[[0-9a-fA-F:.]+\]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_http_url(text: str, *, with_query: bool = False) -> bool:
    """Whether this is the whole address of an HTTP server, such as http://127.0.0.1:8093.

    Args:
        with_query: Whether it may go on behind its path: nothing can be put behind such a one.
    """
    try:
        parts = urlsplit(text)
        port = parts.port  # raises for one that is none
    except ValueError:
        return False
    host = parts.netloc.rpartition("@")[2].removesuffix("" if port is None else f":{port}")
    return (
        text.startswith(("http://", "https://"))
        and not re.search(r"[\s\x00-\x20\x7f]", text)
        and HOST.fullmatch(host) is not None
        and port != 0
        and (with_query or not (parts.query or parts.fragment))
    )
