"""Asks a time server (SNTP, RFC 4330) how far this machine's clock is off.

One UDP packet each way, the standard library alone: the setup's check uses it before anything is installed.
Not covered: setting the clock; chrony or systemd-timesyncd does that.
"""

from __future__ import annotations

import os
import socket
import struct
import time

PORT = 123
TIMEOUT_S = 3.0
PACKET = struct.Struct("!BB22x8sQQ")
"""Leap, version and mode; stratum; ...; originate, receive and transmit times."""
CLIENT_V4 = 0x23
SERVER_MODE = 4
MAX_STRATUM = 15
UNSYNCHRONISED = 3
NTP_TO_UNIX_S = 2_208_988_800
"""From 1900, where NTP's seconds begin, to 1970."""
ERA_S = 2**32
"""NTP's seconds begin anew in 2036."""


def ask_skew(server: str, timeout_s: float = TIMEOUT_S) -> float:
    """Seconds by which this machine's clock is behind (positive) or ahead (negative). Blocks.

    Args:
        server: A name or address, with `:port` where it is not 123.
        timeout_s: For the answer.

    Raises:
        OSError: no answer in time, or none that can be used.
    """
    name, _, port = server.partition(":")
    nonce = os.urandom(8)  # comes back as the originate time: nobody else can answer in the server's place
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(timeout_s)
        try:
            asked.connect((name, int(port or PORT)))
        except (ValueError, OverflowError) as error:
            raise OSError(f"{server} is no address of a time server: {error}") from None
        sent_s = time.time()
        asked.send(bytes([CLIENT_V4]) + bytes(39) + nonce)
        reply = asked.recv(512)
        received_s = time.time()
    return read_skew(reply, nonce, sent_s=sent_s, received_s=received_s)


def read_skew(reply: bytes, nonce: bytes, *, sent_s: float, received_s: float) -> float:
    """The skew that a reply tells, with half of the way's time taken off.

    Raises:
        OSError: the reply is not the answer to ours, or its server does not know the time itself.
    """
    if len(reply) < PACKET.size:
        raise OSError(f"a time server's reply has {PACKET.size} bytes, this one {len(reply)}")
    first, stratum, originate, receive, transmit = PACKET.unpack_from(reply)
    if first & 7 != SERVER_MODE or originate != nonce or not transmit:
        raise OSError("not the answer of a time server to this question")
    if not 1 <= stratum <= MAX_STRATUM or first >> 6 == UNSYNCHRONISED:
        raise OSError(f"the time server does not know the time itself (stratum {stratum})")
    return ((_unix_s(receive) - sent_s) + (_unix_s(transmit) - received_s)) / 2


def _unix_s(stamp: int) -> float:
    seconds = stamp / 2**32
    return seconds + (ERA_S if seconds < NTP_TO_UNIX_S else 0) - NTP_TO_UNIX_S
