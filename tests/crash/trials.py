"""Kills the real miner with SIGKILL, over and over, beside a real local subnet, and says what it cost.

A round is a fresh subnet, a fresh miner and so many kills; after the last one the miner is left alone until
all that it had in hand is settled. Lanes run rounds side by side. Finished rounds are lines of a file, so
that a night that was broken off goes on where it was:

    python tests/crash/trials.py --kills 2000 --lanes 3 --folder data/crash-trials
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (0, 1, 2)]

import bittensor as bt
from judge import MIN_SCORE, SETTLED, Findings, judge
from lives import REPO, Execute, Fork, Life, Starter, clean_environment
from peers import app_peer
from stand_ins import StandIns

from subnet17.localnet.ledger import Record, read_record
from tests.ports import reserve_neighbours

STATES = ("pulled", "generated", "scored", "sending", "answered")
AIMS = ("start", *STATES)
START_SPREAD_S = 0.4
SPREAD_S = 0.05
"""A kill comes up to so long after the line it waited for: also between two states."""
LINE_TIMEOUT_S = 180.0
SETTLE_TIMEOUT_S = 150.0
SUBNET_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 90.0
ROUND_KILLS = 60


@dataclass(frozen=True)
class Course:
    """How quick the subnet of a round is.

    Attributes:
        time_scale: Of its cooldowns: 300 s times this from task to task of one validator.
        validators: Enough of them keep tasks coming.
    """

    time_scale: float
    validators: int


COURSES = (Course(0.012, 6), Course(0.1, 24))
"""The first leaves no free time: one candidate for a task. In the second several are made."""


@dataclass
class Round:
    """One subnet, one miner, so many kills.

    Args:
        folder: Its own; kept by the caller when something went wrong.
        number: Seeds the delays and names the development key.
    """

    folder: Path
    number: int
    course: Course
    kills: int
    starter: Starter

    def __post_init__(self) -> None:
        self.rng = random.Random(self.number)
        self.lives: list[Life] = []
        self.uri = f"//Crash{self.number}"
        self.hotkey = str(bt.Keypair.create_from_uri(self.uri).ss58_address)
        self.findings = Findings()

    @property
    def ledger_path(self) -> Path:
        """Where the subnet keeps its record."""
        return self.folder / "data" / "localnet" / "ledger.json"

    async def run(self) -> Findings:
        """Runs it to the end."""
        self.folder.mkdir(parents=True)
        stand_ins = StandIns(self.rng)
        async with app_peer(stand_ins.app()) as port:  # type: ignore[arg-type]
            config = self._write_config(port)
            async with self._subnet(config):
                for number in range(self.kills):
                    await self._kill_at(AIMS[number % len(AIMS)], config)
                await self._settle(config)
        record = self._record()
        found = judge(record, stand_ins.calls, self.lives, hotkey=self.hotkey)
        found.add(self.findings)
        return found

    async def _kill_at(self, aim: str, config: Path) -> None:
        life = Life(self.starter, ["--config", str(config)])
        self.lives.append(life)
        try:
            line = await life.find(lambda line: aim in {line.state, "start"}, within_s=LINE_TIMEOUT_S)
            if line is None:
                why = "it ended by itself" if life.ended else f"no such line in {LINE_TIMEOUT_S:g} s"
                self.findings.complaints.append(f"kill at {aim}: {why}\n{life.tail()}")
            await asyncio.sleep(self.rng.uniform(0.0, START_SPREAD_S if aim == "start" else SPREAD_S))
        finally:
            await life.kill()
        self.findings.kills[aim] += 1

    async def _settle(self, config: Path) -> None:
        """The last life: the real command, until nothing of before is open; it must end in order."""
        open_tasks = {line.task for life in self.lives for line in life.lines if line.state}
        life = Life(Execute(), ["--config", str(config)])
        self.lives.append(life)
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        try:
            # Before this line a signal meets the interpreter's own handlers.
            await life.find(lambda line: line.fields.get("event") == "miner starts", within_s=LINE_TIMEOUT_S)
            while open_tasks and time.monotonic() < deadline_s and not life.ended:
                await asyncio.sleep(0.2)
                open_tasks -= self._settled()
        finally:
            code = await life.stop(within_s=STOP_TIMEOUT_S)
        if code != 0:
            self.findings.complaints.append(f"the miner ended with {code} after SIGTERM\n{life.tail()}")

    def _settled(self) -> set[str]:
        pages = self._record().validators
        return {e.task_id or "" for p in pages for kind in SETTLED for e in p.entries.get(kind, [])}

    def _record(self) -> Record:
        record = read_record(self.ledger_path)
        assert record is not None
        return record

    def _write_config(self, stand_in_port: int) -> Path:
        url = f"http://127.0.0.1:{stand_in_port}"
        miner_port, first_port, *_ = reserve_neighbours(1 + self.course.validators)
        text = f"""
[miner]
wallet_uri = "{self.uri}"
port = {miner_port}
generation_endpoints = ["{url}"]
validation_endpoint = "{url}"
num_generation_workers = 3
max_concurrent_generations = 3
self_validation_min_score = {MIN_SCORE}
target_generation_time = 0.1
max_candidates = 3
early_stop_score = 0.97
[network]
chain = "static:{self.folder / "data" / "localnet" / "neurons.json"}"
pull_timeout_s = 3.0
submit_timeout_s = 10.0
pull_interval_s = 0.2
cooldown_margin_s = 0.1
local_validators = {self.course.validators}
local_port = {first_port}
local_time_scale = {self.course.time_scale}
local_image_share = 0.1
[operations]
data_dir = "{self.folder / "data"}"
log_dir = "{self.folder / "logs"}"
log_format = "json"
"""
        path = self.folder / "mining.toml"
        path.write_text(text)
        return path

    @asynccontextmanager
    async def _subnet(self, config: Path) -> AsyncIterator[None]:
        """The local subnet as its own process."""
        with (self.folder / "subnet.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - does not wait for anything
                [sys.executable, str(REPO / "local_subnet.py"), "--config", str(config)],
                cwd=REPO,
                env=clean_environment(),
                stdout=log,
                stderr=log,
            )
        try:
            deadline_s = time.monotonic() + SUBNET_TIMEOUT_S
            while not self.ledger_path.with_name("neurons.json").exists():
                assert process.poll() is None, (self.folder / "subnet.log").read_text()
                assert time.monotonic() < deadline_s, "the local subnet does not start"
                await asyncio.sleep(0.05)
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)


class Night:
    """Many rounds in lanes, each recorded when it is done."""

    def __init__(self, folder: Path, *, kills: int) -> None:
        self._folder = folder
        self._path = folder / "rounds.jsonl"
        self._kills = kills
        self._begun = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.total = Findings()
        self._number = 0
        for text in self._path.read_text().splitlines() if self._path.exists() else []:
            tree = json.loads(text)
            self.total.add(Findings.of_json(tree["findings"]))
            self._number = max(self._number, tree["round"])
        self._begun = self.total.kills.total()

    @property
    def is_over(self) -> bool:
        """Whether all kills were done."""
        return self.total.kills.total() >= self._kills

    async def run(self, *, lanes: int, starter: Starter, until_s: float) -> None:
        """Runs the rounds that are missing; none begins after a monotonic time."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(starter, until_s))

    async def _lane(self, starter: Starter, until_s: float) -> None:
        while self._begun < self._kills and time.monotonic() < until_s:
            self._number += 1
            self._begun += ROUND_KILLS
            number, started_s = self._number, time.monotonic()
            folder = self._folder / f"round-{number}"
            shutil.rmtree(folder, ignore_errors=True)  # of a night that was broken off
            course = COURSES[number % len(COURSES)]
            found = await Round(folder, number, course, ROUND_KILLS, starter).run()
            self.total.add(found)
            with self._path.open("a") as file:
                file.write(json.dumps({"round": number, "findings": found.as_json()}) + "\n")
            took_s = time.monotonic() - started_s
            print(f"round {number}: {found.kills.total()} kills in {took_s:.0f} s,", end=" ")
            print(f"{found.tasks} tasks, {len(found.complaints)} complaints", flush=True)
            if found.complaints:
                print(*found.complaints, f"kept: {folder}", sep="\n", flush=True)
            else:
                shutil.rmtree(folder)


def print_summary(findings: Findings) -> None:
    """For people."""
    print(f"{'':12}{'aimed at':>10}{'died after':>12}")
    for state in AIMS:
        print(f"{state:12}{findings.kills[state]:>10}{findings.died_after[state]:>12}")
    print(f"{'all':12}{findings.kills.total():>10}{findings.died_after.total():>12}")
    for name, value in vars(findings).items():
        if isinstance(value, int):
            print(f"{name.replace('_', ' '):16}{value:>6}")
    print(f"{'complaints':16}{len(findings.complaints):>6}")


def main() -> int:
    """The command line; 1 when anything was lost, paid twice or against the rules, or kills are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=600.0, help="no round begins later")
    parser.add_argument("--folder", type=Path, default=REPO / "data" / "crash-trials")
    parser.add_argument("--exec", action="store_true", help="start the interpreter each time, do not fork")
    given = parser.parse_args()
    night = Night(given.folder, kills=given.kills)
    starter = Execute() if given.exec else Fork()
    try:
        until_s = time.monotonic() + given.minutes * 60
        asyncio.run(night.run(lanes=given.lanes, starter=starter, until_s=until_s))
    except asyncio.CancelledError:
        print("broken off; the same command goes on")
    finally:
        if isinstance(starter, Fork):
            starter.close()
    print_summary(night.total)
    return 0 if night.is_over and not night.total.complaints else 1


if __name__ == "__main__":
    sys.exit(main())
