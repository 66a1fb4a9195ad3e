"""Addresses: who can reach one that is listened on, and what can be asked over HTTP."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from subnet17.errors import ConfigError

HOST = re.compile(r"[\w.-]+|\[[0-9a-fA-F:.]+\]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_guarded(host: str, *, api_key: str, allow_without_key: bool) -> None:
    """Raises `ConfigError` when others can reach an address and nothing keeps strangers off."""
    if not is_loopback(host) and not api_key and not allow_without_key:
        raise ConfigError(
            f"host {host} can be reached by others: set api_key, or use 127.0.0.1", key="host", value=host
        )


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
