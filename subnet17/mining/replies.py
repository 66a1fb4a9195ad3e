"""Reads what validators answer: nothing in it is trusted to be JSON, small numbers or whole texts."""

from __future__ import annotations

import json
import math
import re
from typing import TypeVar

import bittensor as bt
from pydantic import ValidationError

from subnet17.errors import PeerReplyError
from subnet17.mining.chain import Neuron

MAX_INTEGER = 2**63
"""Above any count or nanosecond time of the protocol; keeps absurd integers out of the arithmetic."""

S = TypeVar("S", bound=bt.Synapse)

LONG_CODE = re.compile(r"(?:0x)?[0-9A-Za-z+/=_-]{65,}")
"""Signatures, hashes with a prefix, base64 payloads: longer than any word, hotkey or uuid."""


def message_in(body: bytes) -> str:
    """The axon's error message, for people: short, printable, without the signature that it may repeat."""
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = body.decode("utf-8", "replace")
    message = LONG_CODE.sub("<hidden>", message)
    return "".join(c for c in message if c.isprintable())[:200]


def read_reply(kind: type[S], body: bytes, validator: Neuron) -> S:
    """The synapse in a reply: only the protocol's own fields, validated.

    Raises:
        PeerReplyError: no JSON, not what the protocol says, or numbers and texts that can't be worked with.
    """
    try:
        tree = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded)
        if not isinstance(tree, dict):
            raise ValueError(f"a JSON {type(tree).__name__}, expected an object")
        # Only the protocol's fields: what a validator says about the connection itself is not trusted.
        own = kind.model_fields.keys() - bt.Synapse.model_fields.keys()
        fields = {name: tree[name] for name in own if name in tree}
        # Half a surrogate pair can't be signed, sent or stored.
        json.dumps(fields, ensure_ascii=False).encode()
        synapse: S = kind.model_validate(fields)
        return synapse
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        why = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        why = f"{type(error).__name__} {error}"
    raise PeerReplyError(f"{validator.address} sent an unreadable {kind.__name__}: {why}"[:300], sent=True)


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not finite")
    return value


def _bounded(text: str) -> int:
    if len(text) > len(str(MAX_INTEGER)) + 1 or abs(value := int(text)) > MAX_INTEGER:
        raise ValueError(f"{text[:20]} is too large")
    return value
