"""The one error tree of the project.

    S17Error                     500  internal
    ├── ConfigError              500  config              broken mining.toml, unknown key, bad value
    ├── InvalidInputError        400  invalid_input       the caller's fault, named: what, measured, allowed
    │   ├── UnknownFormatError   400  unknown_format
    │   ├── TooLargeError        413  too_large
    │   ├── AssetError           422  invalid_asset       unreadable PLY, SPZ, GLB
    │   ├── UnsupportedMediaError 415 unsupported_media
    │   └── CallerGoneError      499  caller_gone         hung up: nobody is left to read the answer
    ├── UnauthorizedError        401  unauthorized        API key missing or wrong
    ├── OverloadedError          429  overloaded          bounded queue is full; carries retry_after_s
    ├── DeadlineError            503  deadline            did not finish, or could not start, in time
    │   └── QueuedTooLongError   503  deadline            no worker was free for it in time
    ├── UnavailableError         503  unavailable         not ready, breaker open, back end missing
    │   └── NotOfferedError      503  not_offered         this kind of work lacks something here, others don't
    ├── StageError               500  stage_failed        work failed; names the stage
    │   └── DeviceLostError      500  device_lost         the GPU answers this process no more: start it anew
    ├── PeerError                502  peer                another process or a validator misbehaved
    │   ├── PeerTimeoutError     504  peer_timeout
    │   └── PeerReplyError       502  peer_reply          reply unreadable, too large or not what was asked
    ├── JournalError             500  journal             the miner's journal can't be used, or lost an asset
    └── WalletError              500  wallet              missing hotkey, unencrypted coldkey on the box

Each class carries its HTTP status and its stable `code`; the servers turn any of them into
`{"error": {"code", "message", "detail"}}` in one handler (serving/error_answers.py).
"""

from __future__ import annotations

from typing import Any, ClassVar


class S17Error(Exception):
    """Base of all errors of this project.

    Args:
        message: One sentence for a person: what was wrong, what was measured, what is allowed.
        detail: The same facts for a program. JSON-serialisable.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders; keyword details would be lost by Exception's own reduce.
        return (_rebuild, (type(self), self.message, self.detail))

    def as_json(self) -> dict[str, Any]:
        """The error body of both servers."""
        return {"error": {"code": self.code, "message": self.message, "detail": self.detail}}


def _rebuild(cls: type[S17Error], message: str, detail: dict[str, Any]) -> S17Error:
    return cls(message, **detail)


class ConfigError(S17Error):
    """Settings can't be read, name an unknown key or hold a value out of range."""

    code = "config"


class InvalidInputError(S17Error):
    """The caller sent something that can't be used."""

    status = 400
    code = "invalid_input"


class UnknownFormatError(InvalidInputError):
    """An asset or image format that is not offered."""

    code = "unknown_format"


class TooLargeError(InvalidInputError):
    """A body, a count or a decompressed size over its limit."""

    status = 413
    code = "too_large"


class AssetError(InvalidInputError):
    """A 3D asset that can't be read as what it claims to be."""

    status = 422
    code = "invalid_asset"


class UnsupportedMediaError(InvalidInputError):
    """A content type that the route does not take."""

    status = 415
    code = "unsupported_media"


class CallerGoneError(InvalidInputError):
    """Nobody is left to read the answer."""

    status = 499
    code = "caller_gone"


class UnauthorizedError(S17Error):
    """The API key is missing or wrong."""

    status = 401
    code = "unauthorized"


class OverloadedError(S17Error):
    """The bounded queue is full. `detail["retry_after_s"]` says when to come back."""

    status = 429
    code = "overloaded"


class DeadlineError(S17Error):
    """The work could not be started or finished before its deadline."""

    status = 503
    code = "deadline"


class QueuedTooLongError(DeadlineError):
    """The work waited for a worker until its deadline: the server is busy, which is no fault of a worker."""


class UnavailableError(S17Error):
    """Not ready, breaker open, or a back end is missing."""

    status = 503
    code = "unavailable"


class NotOfferedError(UnavailableError):
    """This server does one kind of work and not another: switched off, or something it needs is missing."""

    code = "not_offered"


class StageError(S17Error):
    """A stage of the work failed for a reason that is ours. `detail["stage"]` names it."""

    code = "stage_failed"


class DeviceLostError(StageError):
    """The GPU refuses all further work of this process (illegal access, ECC, Xid): it needs a new one."""

    code = "device_lost"


class PeerError(S17Error):
    """Another process (a server of ours, a validator, the chain) misbehaved."""

    status = 502
    code = "peer"


class PeerTimeoutError(PeerError):
    """The other side did not answer in time: whether it acted is unknown."""

    status = 504
    code = "peer_timeout"


class PeerReplyError(PeerError):
    """The other side answered, but not with what the protocol allows."""

    code = "peer_reply"


class JournalError(S17Error):
    """The miner's journal is of a newer program, is broken, or lacks an asset that it names."""

    code = "journal"


class WalletError(S17Error):
    """The hotkey is missing, or an unencrypted coldkey lies on this machine."""

    code = "wallet"
