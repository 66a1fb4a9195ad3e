"""Values between processes: whole, through memory, and nothing is left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from subnet17.serving.handoff import LOCK, PREFIX, Folders, pack, remove_stale_folders, unpack


@dataclass
class Thing:
    name: str
    arrays: list[np.ndarray]


def thing() -> Thing:
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(7,), (0, 3), (5, 3, 2), (1000, 4)]
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return Thing("a thing", [*arrays, np.arange(3, dtype=np.uint8), arrays[3][:, 1]])


def test_a_value_arrives_whole_and_can_be_written_to(tmp_path: Path) -> None:
    sent = thing()
    parcel = pack(sent, [tmp_path / "1"])
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert len(parcel.head) < 2000 + sent.arrays[-1].nbytes, "arrays that lie in one piece travel in the file"
    received = unpack(parcel)
    assert not list(tmp_path.iterdir())
    for ours, theirs in zip(received.arrays, sent.arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
        ours[...] = 1
    assert received.arrays[3].ctypes.data % 64 == 0


def test_a_value_without_arrays_arrives_too(tmp_path: Path) -> None:
    assert unpack(pack({"a": [1, "two"]}, [tmp_path / "1"])) == {"a": [1, "two"]}


class FullDisk:
    """Opens files; the first one takes no more than its name."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self, descriptor: int, mode: str) -> IO[bytes]:
        self.opened += 1
        if self.opened > 1:
            return os_fdopen(descriptor, mode)
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")


os_fdopen = os.fdopen


def test_where_the_first_folder_has_no_room_the_next_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdopen", FullDisk())
    parcel = pack(thing(), [tmp_path / "1", tmp_path / "2"])
    assert list(tmp_path.iterdir()) == [tmp_path / "2"] == [parcel.path]
    assert unpack(parcel).name == "a thing"


def test_where_no_folder_has_room_the_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        pack(thing(), [tmp_path / "gone" / "1"])
    with pytest.raises(OSError, match="no folder"):
        pack(thing(), [])


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        pack(thing(), [tmp_path / "1"])
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_another_server_deletes_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, looks = fcntl.flock, [1, 1]

    def look_and_lock(file: IO[bytes], how: int) -> None:
        if how == fcntl.LOCK_EX and looks:
            looks.pop()
            remove_stale_folders(tmp_path)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", look_and_lock)
    folders = Folders([tmp_path])
    assert not looks
    assert list(tmp_path.iterdir()) == folders.paths
    assert unpack(pack(thing(), [folders.paths[0] / "1"])).name == "a thing"
    folders.remove()
    assert not list(tmp_path.iterdir())


def test_folders_of_killed_servers_are_deleted_and_those_of_living_ones_kept(tmp_path: Path) -> None:
    living = Folders([tmp_path])
    code = (
        "import os, sys; from pathlib import Path; from subnet17.serving.handoff import Folders;"
        "folders = Folders([Path(sys.argv[1])]); (folders.paths[0] / '1').write_bytes(b'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    other = tmp_path / "other"
    other.mkdir()
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 2
    remove_stale_folders(tmp_path)
    assert list(tmp_path.glob(f"{PREFIX}*")) == living.paths
    assert (living.paths[0] / LOCK).exists() and other.exists()
    living.remove()
    assert list(tmp_path.iterdir()) == [other]
