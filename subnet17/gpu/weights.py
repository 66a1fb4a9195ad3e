"""Where a model's weights lie: a folder, the hub's cache, or the hub at a pinned revision.

Only safetensors and text files are ever fetched: pickles can run code. What comes back is whole, so that a
model library never meets a cut file: each refusal names what is wrong, where it was looked for, what to do.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from subnet17.errors import UnavailableError
from subnet17.gpu.weight_files import check_weight_files, missing_of
from subnet17.log import get_logger

PINNED = {
    "black-forest-labs/FLUX.1-schnell": "741f7c3ce8b383c54771c7003378a50191e9efe9",
    "black-forest-labs/FLUX.1-dev": "3de623fc3c33e44ffbe2bad470d0f45bccf2eb21",
    "black-forest-labs/FLUX.2-klein-4B": "e7b7dc27f91deacad38e78976d1f2b499d76a294",
    "tencent/Hunyuan3D-2": "9cd649ba6913f7a852e3286bad86bfa9a2d83dcf",
    "tencent/Hunyuan3D-2mini": "f90a0f7df7d5e6f71109cf333f6a95a0ae3194a6",
    "tencent/Hunyuan3D-2mv": "3a761b539b29fe4ff64714813aa9560fd66f5de0",
    "404-Gen/validation": "948bf06988b630681c7bc468aebf2bbe010856f7",
    "facebook/dinov2-small": "150c8e7bb7cef2d30ec31b13a517af14840ee3f7",
    "microsoft/LLM2CLIP-Openai-L-14-336": "92512331f393a003c3d98404677f991c188162c9",
}
"""Commits of known repositories: weights that change under a miner change its scores."""

NEVER_FETCHED = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.msgpack", "*.h5", "*.py")
"""Formats that can carry code, or that nothing here reads."""

REASONS = {
    "GatedRepoError": "its licence must be accepted at https://huggingface.co/{source} and a token given by"
    " `hf auth login`",
    "RepositoryNotFoundError": "the hub has no such repository, or it is private and no token is given",
    "RevisionNotFoundError": "the repository has no such revision",
    "HFValidationError": "this is neither a folder nor a hub id such as owner/name",
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set",
    "LocalEntryNotFoundError": "the hub can't be reached",
    "ConnectionError": "the hub can't be reached",
    "ConnectError": "the hub can't be reached",
    "ReadTimeout": "the hub stopped answering",
}
"""Errors of the hub's client by the name of their class (looked up along its ancestors) -> what to tell.

By name: the classes move between versions of the client, and it is imported only where it is used.
"""


def resolve_weights(
    source: str,
    *,
    revision: str = "",
    patterns: Sequence[str],
    required: Sequence[str],
    fetch: Callable[..., Any] | None = None,
) -> Path:
    """The folder that holds a model's files, downloaded if need be.

    Args:
        source: A folder, or a hub id such as owner/name.
        revision: A commit, branch or tag of the hub's repository; empty: the pinned commit of a known
            repository, else its newest, with a warning. Ignored for a folder.
        patterns: Files to fetch, as in fnmatch; `*` also matches `/`.
        required: Patterns that must each match a file.
        fetch: Stands in for `huggingface_hub.snapshot_download` in tests.

    Raises:
        UnavailableError: missing, incomplete or damaged files, or no way to fetch them.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _checked(folder, source, "", patterns, required)
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise UnavailableError(
            f"there is no folder {source}: give a folder of weights or a hub id such as owner/name",
            source=source,
        )
    commit = _revision_of(source, revision)
    folder = _fetch(source, commit, patterns, required, fetch or _client())
    return _checked(folder, source, commit, patterns, required)


def _revision_of(source: str, revision: str) -> str:
    if revision or source in PINNED:
        return revision or PINNED[source]
    get_logger().warning(
        "weights are not pinned", source=source, fix="set the revision to a commit of the repository"
    )
    return ""


def _client() -> Callable[..., Any]:
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - only the GPU installation has it
    except ImportError:
        raise UnavailableError(
            "huggingface_hub is not installed: run ./setup_mining_environment.sh --gpu, or name a folder"
        ) from None
    return snapshot_download


def _fetch(
    source: str, commit: str, patterns: Sequence[str], required: Sequence[str], fetch: Callable[..., Any]
) -> Path:
    asked = {
        "revision": commit or None,
        "allow_patterns": list(patterns),
        "ignore_patterns": list(NEVER_FETCHED),
    }
    try:
        folder = Path(fetch(source, local_files_only=True, **asked))
        if not missing_of(folder, patterns, required):
            return folder
    except Exception as error:  # not in the cache, for whatever reason: the download below tells more
        get_logger().debug("weights are not cached", source=source, why=type(error).__name__)
    get_logger().info("fetching weights", source=source, revision=commit or "newest")
    try:
        return Path(fetch(source, **asked))
    except Exception as error:
        _explain(error, source, commit, patterns)


def _explain(error: Exception, source: str, commit: str, patterns: Sequence[str]) -> NoReturn:
    names = [kind.__name__ for kind in type(error).__mro__]
    reason = next((REASONS[name] for name in names if name in REASONS), None)
    if reason is None and isinstance(error, OSError) and error.errno == errno.ENOSPC:
        reason = "the disk is full"
    if reason is None:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    raise UnavailableError(
        f"can't get the weights {source} at {commit or 'the newest revision'}:"
        f" {reason.format(source=source)}; by hand: {_command(source, commit, patterns)}",
        source=source,
        revision=commit,
        cause=type(error).__name__,
    ) from None


def _command(source: str, commit: str, patterns: Sequence[str]) -> str:
    pinned = f" --revision {commit}" if commit else ""
    return f"hf download {source}{pinned}" + "".join(f" --include '{pattern}'" for pattern in patterns)


def _checked(
    folder: Path, source: str, commit: str, patterns: Sequence[str], required: Sequence[str]
) -> Path:
    from_hub = str(folder) != str(Path(source).expanduser())
    fix = _command(source, commit, patterns) if from_hub else "copy the folder again, whole"
    check_weight_files(folder, patterns, required, fix=fix)
    return folder
