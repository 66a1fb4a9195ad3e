"""An update takes signed versions only, and leaves what worked in place when the new one does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from subnet17.settings import PROJECT_ROOT

START = """#!/bin/sh
echo "start $(cat VERSION)" >>"$HOME/done"
! grep -q broken VERSION
"""
SETUP = """#!/bin/sh
echo "setup $(cat VERSION)" >>"$HOME/done"
! grep -q unbuildable VERSION
"""


@dataclass
class World:
    """A repository with versions, an operator's checkout of it, and keys."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> Path:
        return self.folder / "origin"

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def git(self, *args: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *args], cwd=at or self.origin, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def key(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(command, check=True)
        return path

    def release(self, version: str, content: str = "", *, by: str | None = "maintainer") -> None:
        (self.origin / "VERSION").write_text(f"{version} {content}\n")
        self.git("commit", "-q", "-am", version)
        if by is None:
            self.git("tag", "-a", "-m", version, version)
        else:
            flags = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self.key(by)}.pub"]
            self.git(*flags, "tag", "-s", "-m", version, version)

    def update(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["scripts/update.sh", *flags],
            cwd=self.checkout,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def version(self) -> str:
        return (self.checkout / "VERSION").read_text().strip()

    @property
    def done(self) -> list[str]:
        path = self.folder / "done"
        return [line.strip() for line in path.read_text().splitlines()] if path.exists() else []


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def world(tmp_path: Path) -> World:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    world = World(tmp_path, env)
    write(tmp_path / ".gitconfig", "[user]\nname = M\nemail = m@example.org\n[init]\ndefaultBranch = main\n")
    world.origin.mkdir()
    world.git("init", "-q")
    for script in ("update.sh", "environment.sh"):
        write(world.origin / "scripts" / script, (PROJECT_ROOT / "scripts" / script).read_text())
    write(world.origin / "setup_mining_environment.sh", SETUP)
    write(world.origin / "start_mining.sh", START)
    write(world.origin / "stop_mining.sh", '#!/bin/sh\necho "stop $(cat VERSION)" >>"$HOME/done"\n')
    (world.origin / "mining.toml").write_text("[miner]\n")
    (world.origin / ".gitignore").write_text(".tools/\n")
    (world.origin / "VERSION").write_text("v0.0.0\n")
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "begin")
    world.release("v1.0.0")
    world.git("clone", "-q", str(world.origin), str(world.checkout), at=tmp_path)
    signers = f"m@example.org {world.key('maintainer').with_suffix('.pub').read_text()}"
    write(tmp_path / ".config" / "subnet17" / "allowed_signers", signers)
    return world


@pytest.fixture(autouse=True, scope="module")
def tools() -> None:
    for tool in ("git", "ssh-keygen", "flock"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def test_the_newest_signed_version_is_set_up_and_started(world: World) -> None:
    world.release("v1.1.0")
    world.release("v1.10.0")
    world.release("v1.9.0")
    done = world.update()
    assert done.returncode == 0, done.stderr
    assert world.version == "v1.10.0"
    assert world.done == ["stop v1.0.0", "setup v1.10.0", "start v1.10.0"]
    assert "up to date" in world.update().stdout
    assert len(world.done) == 3


PYTHON = """#!/bin/sh
[ "$1" = mining_orchestrator.py ] || exit 1
case "$2" in
    status) [ ! -e "$HOME/run" ] || echo '"orchestrator": "run (pid 7)",'; exit 1 ;;
    run) touch "$HOME/run"; echo "run $(cat VERSION)" >>"$HOME/done" ;;
esac
"""
STOP = """#!/bin/sh
rm -f "$HOME/run"
echo "stop $(cat VERSION)" >>"$HOME/done"
"""


@pytest.mark.parametrize("lives", [True, False])
def test_an_orchestrator_that_was_ended_for_it_runs_again(lives: bool, world: World) -> None:
    write(world.checkout / ".tools" / "fake_python", PYTHON)
    (world.checkout / ".tools" / "python").write_text(str(world.checkout / ".tools" / "fake_python"))
    write(world.folder / "stop", STOP)
    world.env["STOP_COMMAND"] = str(world.folder / "stop")
    if lives:
        (world.folder / "run").touch()
    world.release("v1.1.0")
    assert world.update().returncode == 0
    wanted = ["stop v1.0.0", "setup v1.1.0", "start v1.1.0", *(["run v1.1.0"] if lives else [])]
    for _ in range(100):
        if world.done == wanted:
            break
        time.sleep(0.1)
    assert world.done == wanted


def test_looking_changes_nothing(world: World) -> None:
    world.release("v1.1.0")
    assert "v1.1.0 is there" in world.update("--check").stdout
    assert (world.version, world.done) == ("v1.0.0", [])


def forge_unsigned(world: World) -> None:
    world.release("v2.0.0", by=None)


def forge_by_a_stranger(world: World) -> None:
    world.release("v2.0.0", by="stranger")


def forge_without_an_object(world: World) -> None:
    world.git("commit", "-q", "--allow-empty", "-m", "bad")
    world.git("tag", "v2.0.0")


def forge_with_a_signed_old_one(world: World) -> None:
    """The signed object of an old version, with its holes, under the name of a new one."""
    world.git("update-ref", "refs/tags/v2.0.0", world.git("rev-parse", "v1.0.0"))


@pytest.mark.parametrize(
    "forge", [forge_unsigned, forge_by_a_stranger, forge_without_an_object, forge_with_a_signed_old_one]
)
def test_what_nobody_known_has_signed_is_refused(world: World, forge: Callable[[World], None]) -> None:
    forge(world)
    assert world.update().returncode == 0
    done = world.update("--to", "v2.0.0")
    assert done.returncode == 1
    assert "not signed by anybody you named" in done.stderr
    assert (world.version, world.done) == ("v1.0.0", [])


def test_without_named_signers_nothing_is_installed(world: World) -> None:
    world.release("v1.1.0")
    (world.folder / ".config" / "subnet17" / "allowed_signers").unlink()
    assert world.update("--to", "v1.1.0").returncode == 1
    assert world.version == "v1.0.0"


@pytest.mark.parametrize("fault", ["broken", "unbuildable"])
def test_a_version_that_does_not_come_up_is_taken_back_and_not_tried_again(world: World, fault: str) -> None:
    world.release("v1.1.0", fault)
    done = world.update()
    assert done.returncode == 1
    assert world.version == "v1.0.0"
    assert world.done[-2:] == ["setup v1.0.0", "start v1.0.0"]
    assert world.git("symbolic-ref", "--short", "HEAD", at=world.checkout) == "main"
    count = len(world.done)
    assert "passed over" in world.update().stderr
    assert len(world.done) == count
    world.release("v1.1.1")
    assert world.update().returncode == 0
    assert world.version == "v1.1.1"


def test_going_back_that_fails_is_told_apart(world: World) -> None:
    world.release("v1.1.0", "broken")
    write(world.folder / "never", "#!/bin/sh\nexit 1\n")
    world.env["START_COMMAND"] = str(world.folder / "never")
    assert world.update().returncode == 3
    assert world.version == "v1.0.0"


def test_the_operators_settings_stay_also_when_the_new_version_has_others(world: World) -> None:
    (world.checkout / "mining.toml").write_text('[miner]\nwallet_name = "mine"\n')
    (world.origin / "mining.toml").write_text("[miner]\n# new\n")
    world.release("v1.1.0")
    assert world.update().returncode == 0
    assert "mine" in (world.checkout / "mining.toml").read_text()
    world.release("v1.2.0", "broken")
    assert world.update().returncode == 1
    assert "mine" in (world.checkout / "mining.toml").read_text()
    assert world.version == "v1.1.0"


def test_code_changed_by_hand_is_not_thrown_away(world: World) -> None:
    world.release("v1.1.0")
    (world.checkout / "VERSION").write_text("mine\n")
    done = world.update()
    assert (done.returncode, world.version) == (1, "mine")
    assert "changed by hand" in done.stderr


def test_installing_only_touches_no_process(world: World) -> None:
    world.release("v1.1.0")
    assert world.update("--no-start").returncode == 0
    assert world.done == ["setup v1.1.0"]


def test_two_updates_do_not_run_at_once(world: World) -> None:
    (world.checkout / ".tools").mkdir()
    with subprocess.Popen(
        ["flock", str(world.checkout / ".tools" / "update.lock"), "sh", "-c", "echo held; sleep 60"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = world.update()
        os.killpg(holder.pid, 15)
    assert (done.returncode, "another update runs" in done.stderr) == (1, True)
