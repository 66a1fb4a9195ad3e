"""Where weights are taken from, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnet17.errors import UnavailableError
from subnet17.gpu.weight_files import fault_of
from subnet17.gpu.weights import PINNED, resolve_weights
from subnet17.log import configure_logging
from subnet17.settings import ValidationTable

PATTERNS = ("config.json", "*.safetensors", "*.json")
REQUIRED = ("config.json", "*.safetensors")


def safetensors_bytes(data: bytes = b"\0" * 16) -> bytes:
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(safetensors_bytes())
    return model


def refusal(source: str, **asked: Any) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        resolve_weights(source, **{"patterns": PATTERNS, "required": REQUIRED, **asked})
    return caught.value


@pytest.mark.parametrize("name", ["text_alignment", "image_alignment", "quality", "quality_backbone"])
def test_the_settings_promise_a_pinned_commit_only_where_there_is_one(name: str) -> None:
    fields = ValidationTable.model_fields
    model = fields[f"{name}_model"] if f"{name}_model" in fields else fields[name]
    promised = "the pinned one" in (fields[f"{name}_revision"].description or "")
    assert promised == (model.default in PINNED)


def test_a_whole_folder_is_taken_as_it_is(folder: Path) -> None:
    assert resolve_weights(str(folder), patterns=PATTERNS, required=REQUIRED) == folder


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refusal(str(tmp_path / "nowhere")).message


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert refusal(str(folder)).detail["missing"] == ["*.safetensors"]


def test_pickles_do_not_stand_in_for_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.bin")
    assert "incomplete" in refusal(str(folder)).message


def test_missing_shards_are_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refusal(str(folder)).detail["missing"] == ["model-2.safetensors"]


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": 3}', "[" * 100_000])
def test_a_broken_index_is_named(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in refusal(str(folder)).message


@pytest.mark.parametrize("cut", [0, 7, 20, -1])
def test_a_cut_file_is_named(folder: Path, cut: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    error = refusal(str(folder))
    assert "damaged" in error.message and error.detail["file"] == str(path)


def test_a_padded_file_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"\0")
    assert "damaged" in refusal(str(folder)).message


@given(junk=st.binary(max_size=200), length=st.integers(0, 2**64 - 1))
def test_junk_is_never_taken_for_weights(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, length: int
) -> None:
    path = tmp_path_factory.mktemp("junk") / "w.safetensors"
    path.write_bytes(struct.pack("<Q", length) + junk)
    assert fault_of(path) is not None or json.loads(junk[:length]) in (
        {},
        *({"__metadata__": m} for m in [{}]),
    )


class FakeHub:
    """Stands in for snapshot_download: `cached` and `online` are folders, or errors to raise."""

    def __init__(self, cached: Path | Exception, online: Path | Exception) -> None:
        self.answers = {True: cached, False: online}
        self.calls: list[dict[str, Any]] = []

    def __call__(self, source: str, *, local_files_only: bool = False, **asked: Any) -> str:
        self.calls.append({"source": source, "local": local_files_only, **asked})
        answer = self.answers[local_files_only]
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


def test_what_is_cached_is_not_asked_for(folder: Path) -> None:
    hub = FakeHub(folder, OSError("offline"))
    assert resolve_weights("owner/name", patterns=PATTERNS, required=REQUIRED, fetch=hub) == folder
    assert [call["local"] for call in hub.calls] == [True]


def test_half_a_cached_snapshot_is_completed(folder: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / "config.json").write_text("{}")
    hub = FakeHub(half, folder)
    assert resolve_weights("owner/name", patterns=PATTERNS, required=REQUIRED, fetch=hub) == folder


def test_known_repositories_are_pinned_and_pickles_never_fetched(folder: Path) -> None:
    for source, commit in PINNED.items():
        hub = FakeHub(OSError("not cached"), folder)
        resolve_weights(source, patterns=PATTERNS, required=REQUIRED, fetch=hub)
        assert {call["revision"] for call in hub.calls} == {commit}
        assert {"*.bin", "*.ckpt", "*.pt", "*.pkl", "*.py"} <= set(hub.calls[-1]["ignore_patterns"])
        assert len(commit) == 40


def test_a_revision_of_the_settings_wins(folder: Path) -> None:
    hub = FakeHub(folder, folder)
    source = next(iter(PINNED))
    resolve_weights(source, revision="abc", patterns=PATTERNS, required=REQUIRED, fetch=hub)
    assert hub.calls[0]["revision"] == "abc"


def test_an_unpinned_repository_is_warned_about(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test")  # onto what is captured now
    hub = FakeHub(folder, folder)
    resolve_weights("owner/name", patterns=PATTERNS, required=REQUIRED, fetch=hub)
    assert hub.calls[0]["revision"] is None
    shown = capsys.readouterr()
    assert "not pinned" in shown.out + shown.err


def named(name: str, *parents: type[Exception]) -> Exception:
    return type(name, parents or (Exception,), {})("gone\nwith a second line")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            named("GatedRepoError", type("RepositoryNotFoundError", (Exception,), {})),
            "licence must be accepted",
        ),
        (named("RepositoryNotFoundError"), "no such repository"),
        (named("RevisionNotFoundError"), "no such revision"),
        (named("LocalEntryNotFoundError"), "can't be reached"),
        (named("Unheard"), "Unheard: gone"),
        (OSError(28, "No space left on device"), "disk is full"),
    ],
)
def test_errors_of_the_hub_become_one_sentence_with_a_way_out(error: Exception, told: str) -> None:
    found = refusal("owner/name", revision="abc", fetch=FakeHub(OSError("not cached"), error))
    assert told in found.message
    assert "hf download owner/name --revision abc" in found.message
    assert "\n" not in found.message


def test_a_download_that_lacks_files_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "hf download" in refusal("owner/name", fetch=FakeHub(empty, empty)).message
