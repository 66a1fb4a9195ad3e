"""The pull protocol's messages and the bytes that are signed.

Covers: the synapses as validators define them (JSON names matter), the licence declaration and the
submit signature. Does not cover: the wire (transport.py), or when to pull and submit (validators.py,
strategy.py). Facts: the official subnet code of October 2025, on bittensor's Synapse.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import bittensor as bt
from pydantic import BaseModel, BeforeValidator, Field

DECLARATION = (
    "I, as a miner on SN17, have obtained all licenses, rights and consents required to use, reproduce, "
    "modify, display, distribute and make available my submitted results to this subnet and its end users"
)
"""The miner's licence consent. Byte-exact: it opens every signed submit message."""

OWNER_HOTKEY = "5E7eSeRr2aHzCV7SkY4a2Pi5NXHrU4anZz3phEQgn4HCen2B"
"""The subnet owner's validator, which carries the organic traffic."""

DATA_FORMAT = "ply"
DATA_VERSION = 0
COMPRESSION_SPZ = 2
SKIP = ""
"""`results` of a skip: no penalty."""


class TextTask(BaseModel):
    """Make a 3D asset of a text prompt."""

    type: Literal["text"] = "text"
    id: str
    prompt: str


class ImageTask(BaseModel):
    """Make a 3D asset of a picture; `prompt` is the base64 of an encoded image."""

    type: Literal["image"] = "image"
    id: str
    prompt: str


Task = TextTask | ImageTask


def _default_type(value: Any) -> Any:
    """A task without a known type is text."""
    if isinstance(value, dict) and value.get("type") != "image":
        return {**value, "type": "text"}
    return value


TaskField = Annotated[Annotated[Task, Field(discriminator="type")] | None, BeforeValidator(_default_type)]


Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""As numbers are kept on disk. A string may hold one too: "NaN" and a thousand digits are refused here."""


class Feedback(BaseModel):
    """A validator's verdict. Its presence alone does not mean acceptance: see feedback.py."""

    validation_failed: bool = False
    task_fidelity_score: Finite = 0.0
    average_fidelity_score: Finite = 0.0
    generations_within_the_window: Whole = 0
    current_duel_rating: Finite = 0.0
    current_miner_reward: Finite = 0.0


class _Message(bt.Synapse):  # type: ignore[misc]
    """A synapse whose headers are cheap to make."""

    def get_required_fields(self) -> list[str]:
        """As bittensor's, which makes a JSON schema at every call to find them: milliseconds each time."""
        return [name for name, field in type(self).model_fields.items() if field.is_required()]


class PullTask(_Message):
    """Asks a validator for a task."""

    task: TaskField = None
    validation_threshold: Finite = 0.6
    throttle_period: Whole = 0
    cooldown_until: Whole = 0
    cooldown_violations: Whole = 0


class SubmitResults(_Message):
    """Hands in a result, or a skip."""

    task: TaskField = None
    task_id: str = ""
    results: str = SKIP
    data_format: str = DATA_FORMAT
    data_ver: Whole = DATA_VERSION
    compression: Whole = COMPRESSION_SPZ
    submit_time: Whole = 0
    signature: str = ""
    feedback: Feedback | None = None
    cooldown_until: Whole = 0


class GetVersion(_Message):
    """Asks a validator for its versions."""

    version: Whole = 0
    validation_version: str = Field(default="")


def submit_message(*, submit_time_ns: int, prompt: str, validator_hotkey: str, miner_hotkey: str) -> bytes:
    """The bytes a submit signs: plain concatenation, no separators."""
    return f"{DECLARATION}{submit_time_ns}{prompt}{validator_hotkey}{miner_hotkey}".encode()


def sign_submit(keypair: Any, *, submit_time_ns: int, prompt: str, validator_hotkey: str) -> str:
    """base64 of the hotkey's signature over `submit_message`."""
    message = submit_message(
        submit_time_ns=submit_time_ns,
        prompt=prompt,
        validator_hotkey=validator_hotkey,
        miner_hotkey=keypair.ss58_address,
    )
    return base64.b64encode(keypair.sign(message)).decode("ascii")
