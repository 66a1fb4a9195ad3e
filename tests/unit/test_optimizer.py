"""The optimizer's trials, search and command line, at small stand-ins of the servers that follow the file."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from peers import app_peer

from subnet17.errors import PeerError
from subnet17.ops.tuning.benchmark import RunningServers
from subnet17.ops.tuning.cli import main
from subnet17.ops.tuning.config_file import PENDING, ConfigFile
from subnet17.ops.tuning.proposals import propose
from subnet17.ops.tuning.samples import Piece, Sample, Terms, compare
from subnet17.ops.tuning.search import search
from subnet17.ops.tuning.space import KNOBS, PROFILE, PROFILES, Changes, value_of
from subnet17.ops.tuning.trial import Outcome, find_outcome, note_outcome, try_changes
from subnet17.settings import GenerationTable, MinerTable, Settings, Sources

REPO = Path(__file__).resolve().parents[2]
TERMS = Terms(target_s=5.0)


def sample(*worths: float, seconds: float = 1.0, name: str = "p") -> Sample:
    return Sample(tuple(Piece(f"{name}{n}", seconds, worth, fit=True) for n, worth in enumerate(worths)))


# ---- worth


def test_worth_weighs_score_time_over_the_target_and_fitness() -> None:
    assert Piece("a", 4.9, 0.8, fit=True).worth(TERMS) == 0.8
    assert Piece("a", 6.0, 0.8, fit=True).worth(TERMS) == pytest.approx(0.6)
    assert Piece("a", 1.0, 0.5, fit=False).worth(TERMS) == -0.5
    assert Piece("a", 1.0, 0.5, fit=True).worth(Terms(5.0, quality_factor=2.0)) == 1.0


def test_pieces_of_the_same_names_are_compared_one_by_one() -> None:
    spread = (0.2, 0.5, 0.9)
    better = tuple(value + 0.03 for value in spread)
    assert compare(sample(*better), sample(*spread), TERMS).is_better
    assert not compare(sample(*better), sample(*spread, name="q"), TERMS).is_better
    assert compare(sample(*spread), sample(*better), TERMS).is_worse


def test_one_piece_or_a_difference_within_the_margin_tells_nothing() -> None:
    for new, old in ((sample(0.9), sample(0.1)), (sample(0.81, 0.81), sample(0.8, 0.8))):
        difference = compare(new, old, TERMS)
        assert not difference.is_better
        assert not difference.is_worse


# ---- proposals


def proposals(samples: dict[str, Sample], backend: str = "flux-hunyuan", **generation: Any) -> list[Changes]:
    settings = Settings(generation=GenerationTable(**generation))
    found = propose(settings, profile="balanced", samples=samples, history=None, backend=backend, terms=TERMS)
    return [proposal.changes for proposal in found]


def test_a_profile_that_measured_better_is_proposed_before_any_knob() -> None:
    samples = {
        "balanced": sample(0.7, 0.7, seconds=6),
        "speed": sample(0.7, 0.71),
        "quality": sample(0.1, 0.1),
    }
    assert proposals(samples) == [{PROFILE: "speed"}]


def test_too_slow_is_one_step_less_work_and_too_poor_with_time_left_one_more() -> None:
    slow, poor = {"balanced": sample(0.9, 0.9, seconds=6)}, {"balanced": sample(0.7, 0.7)}
    assert proposals(slow) == [{"generation.num_inference_steps": 25}]
    assert proposals(slow, num_inference_steps=5) == [{"generation.octree_resolution": 320}]
    assert proposals(poor) == [{"generation.num_inference_steps": 35}]
    assert proposals(poor, backend="procedural") == [{"generation.splat_count": 120_000}]
    assert proposals({"balanced": sample(0.9, 0.9)}) == []
    assert proposals({}) == []


# ---- trials


@dataclass
class FileServers:
    """Servers that do at once what the file says: the worth of a sample is `worth_of` the settings."""

    file: ConfigFile
    worth_of: Any
    backend: str = "flux-hunyuan"
    follows: bool = True
    fails: list[bool] = field(default_factory=list)

    async def measure(self, profile: str = "") -> Sample:
        if self.fails and self.fails.pop(0):
            raise PeerError("not one of 4 requests succeeded")
        worth = self.worth_of(self.file.settings())
        return sample(worth, worth + 0.001)

    async def in_force(self, changes: Changes) -> None:
        settings = self.file.settings()
        if not self.follows or any(value_of(settings, name) != value for name, value in changes.items()):
            raise PeerError(f"the generation server did not take over {changes}")


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    path = tmp_path / "mining.toml"
    path.write_text('# mine\n[generation]\nprofile = "balanced" # for now\n')
    return ConfigFile(Sources(path, environ={}))


def by_profile(**worths: float) -> Any:
    return lambda settings: worths[settings.generation.profile]


async def tried(file: ConfigFile, servers: FileServers) -> Outcome:
    return await try_changes(
        servers, file, file.path.parent, {PROFILE: "quality"}, TERMS, keep=lambda d: not d.is_worse
    )


async def test_a_change_that_measures_better_stays_with_both_figures(file: ConfigFile) -> None:
    outcome = await tried(file, FileServers(file, by_profile(balanced=0.7, quality=0.8)))
    assert outcome.kept
    assert outcome.difference.is_better
    assert file.settings().generation.profile == "quality"
    folder = file.path.parent
    note_outcome(folder, outcome, TERMS, backend="flux-hunyuan", now_s=1.0)
    known = find_outcome(folder, {PROFILE: "quality"}, {PROFILE: "balanced"}, backend="flux-hunyuan")
    assert known is not None
    assert known["before"]["worth"]["mean"] == pytest.approx(0.7, abs=0.01)
    assert known["after"]["worth"]["mean"] == pytest.approx(0.8, abs=0.01)
    assert find_outcome(folder, {PROFILE: "quality"}, {PROFILE: "speed"}, backend="flux-hunyuan") is None
    assert find_outcome(folder, {PROFILE: "quality"}, {PROFILE: "balanced"}, backend="procedural") is None


async def test_a_change_that_measures_worse_is_taken_back(file: ConfigFile) -> None:
    before = file.path.read_text()
    outcome = await tried(file, FileServers(file, by_profile(balanced=0.8, quality=0.7)))
    assert not outcome.kept
    assert file.path.read_text() == before
    assert not (file.path.parent / PENDING).exists()


@pytest.mark.parametrize("trouble", [{"follows": False}, {"fails": [False, True]}])
async def test_a_trial_that_breaks_leaves_the_file_as_it_was(file: ConfigFile, trouble: Any) -> None:
    before = file.path.read_text()
    with pytest.raises(PeerError):
        await tried(file, FileServers(file, by_profile(balanced=0.7, quality=0.8), **trouble))
    assert file.path.read_text() == before
    assert not (file.path.parent / PENDING).exists()


# ---- search


def hill(settings: Settings) -> float:
    """Best at 20 steps and 320 cells."""
    generation = settings.generation
    steps, cells = generation.num_inference_steps - 20, generation.octree_resolution - 320
    return float(0.9 - abs(steps) / 100 - abs(cells) / 1000)


async def searched(
    file: ConfigFile, servers: FileServers, tries: int, *, keep: bool
) -> tuple[Any, list[Any]]:
    told: list[Any] = []
    outcome = await search(
        servers,
        file,
        file.path.parent,
        TERMS,
        profile="balanced",
        tries=tries,
        keep=lambda difference: keep and difference.is_better,
        on_try=lambda *facts: told.append(facts),
    )
    return outcome, told


async def test_a_search_goes_on_where_it_stopped_and_measures_its_best_again(file: ConfigFile) -> None:
    before = file.path.read_text()
    servers = FileServers(file, hill)
    _, first = await searched(file, servers, 8, keep=False)
    assert first[0][1]["generation.num_inference_steps"] == 30, "the values of now come first"
    assert file.path.read_text() == before
    outcome, second = await searched(file, servers, 22, keep=True)
    assert [number for number, _, _ in first + second] == list(range(30))
    assert outcome.kept
    assert outcome.difference.mean > 0.1
    assert hill(file.settings()) >= 0.84, "from 0.736"
    assert "# mine" in file.path.read_text()


async def test_a_search_leaves_the_file_alone_where_nothing_is_better_or_all_fails(file: ConfigFile) -> None:
    before = file.path.read_text()
    outcome, _ = await searched(file, FileServers(file, lambda settings: 0.5), 3, keep=True)
    assert outcome is None or not outcome.kept
    assert file.path.read_text() == before
    with pytest.raises(PeerError):
        await searched(file, FileServers(file, hill, fails=[True] * 9), 5, keep=True)
    assert file.path.read_text() == before


async def test_a_broken_study_is_named(file: ConfigFile) -> None:
    (file.path.parent / "search.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(Exception, match=r"search\.sqlite can't be used, move it away"):
        await searched(file, FileServers(file, hill), 1, keep=False)


# ---- the command, at servers on loopback


@dataclass
class Pages:
    """Both servers as the optimizer sees them.

    scores: By profile. broken: Each request fails. running: Jobs of others. jobs: Requests so far.
    others: Jobs of others that come with each request.
    """

    config: Path
    scores: dict[str, float] = field(
        default_factory=lambda: dict(zip(PROFILES, (0.7, 0.8, 0.9), strict=True))
    )
    broken: bool = False
    running: int = 0
    ready: bool = True
    jobs: int = 0
    others: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()

        def live() -> dict[str, Any]:
            settings = Sources(self.config, environ={}).combine(self.config.read_bytes())
            return {name: value_of(settings, name) for name in (PROFILE, *KNOBS)}

        def in_force() -> str:
            return str(live()[PROFILE])

        @app.get("/status/")
        async def status() -> dict[str, Any]:
            return {
                "ready": self.ready,
                "reason": None if self.ready else "no weights",
                "backend": "flux-hunyuan",
                "scorer": "reference",
                "queue": {"running": self.running, "waiting": 0},
                "jobs": {"succeeded": self.jobs},
                "settings": {"live": live(), "file": str(self.config), "error": ""},
            }

        @app.post("/generate/")
        async def generate(request: Request) -> Response:
            self.jobs += 1 + self.others
            if self.broken:
                return JSONResponse({"error": {"message": "out of paint"}}, status_code=500)
            return Response(str((await request.json()).get("profile") or in_force()))

        @app.post("/validate_txt_to_3d_ply/")
        async def validate(request: Request) -> dict[str, Any]:
            body = await request.json()
            score = self.scores[base64.b64decode(body["data"]).decode()]
            return {"score": score + len(body["prompt"]) / 1e4, "scorer": "reference", "reasons": []}

        return app


@asynccontextmanager
async def house(tmp_path: Path, **how: Any) -> AsyncIterator[tuple[Pages, Path]]:
    pages = Pages(tmp_path / "mining.toml", **how)
    async with app_peer(pages.app()) as port:
        pages.config.write_text(
            f'# mine\n[generation]\nport = {port}\nprofile = "balanced"\n[validation]\nport = {port}\n'
            f'[miner]\nport = {port}\n[operations]\ndata_dir = "{tmp_path / "data"}"\n'
        )
        yield pages, pages.config


async def call(config: Path, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["--config", str(config), "--requests", "2", *arguments])


async def test_an_analysis_prints_figures_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as (pages, config):
        before = config.read_text()
        assert await call(config, "--json") == 0
        tree = json.loads(capsys.readouterr().out)
        assert await call(config) == 0
        assert config.read_text() == before
    assert tree["benchmark"]["quality"]["score"]["mean"] == pytest.approx(0.9, abs=0.01)
    assert tree["proposals"][0]["changes"] == {PROFILE: "quality"}
    assert "in real work not measured" in tree["proposals"][0]["evidence"]
    met = {row["name"]: row["met"] for row in tree["targets"]}
    assert met == {"generation": True, "quality": True, "acceptance": None, "uptime": None}
    assert "no journal in" in tree["no_journal"]
    shown = capsys.readouterr().out
    assert "quality" in shown
    assert "unknown" in shown
    assert pages.jobs == 2 * 3 * 3


async def test_apply_writes_measures_and_tells_both_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as (_, config):
        assert await call(config, "--apply", "--json") == 0
        assert 'profile = "quality"' in config.read_text()
        assert config.read_text().startswith("# mine")
        applied = json.loads(capsys.readouterr().out)["applied"][0]
        assert applied["before"]["worth"]["mean"] < applied["after"]["worth"]["mean"]
        assert await call(config, "--apply") == 0
        assert "nothing to apply" in capsys.readouterr().err


async def test_the_operators_profile_stays_also_when_it_measures_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as (pages, config):
        assert await call(config, "--profile", "speed") == 0
        told = capsys.readouterr().err
        assert "worse" in told
        assert "kept" in told
        pages.ready = False
        assert await call(config, "--profile", "quality") == 1
        assert "written" in (told := capsys.readouterr().err)
        assert "not measured: the generation server" in told
        assert 'profile = "quality"' in config.read_text()


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [
        ({"broken": True}, 1, "not one of 2 requests succeeded"),
        ({"ready": False}, 1, "no weights"),
        ({"running": 2}, 3, "has 2 jobs"),
    ],
)
async def test_servers_that_cant_be_measured_are_told_and_give_an_exit_code(
    how: dict[str, Any], code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path, **how) as (_, config):
        before = config.read_text()
        assert await call(config, "--json") == code
        tree = json.loads(capsys.readouterr().out)
        assert told in tree["not_measured"]
        assert tree["proposals"] == []
        assert await call(config, "--apply") == code
        assert config.read_text() == before
        if how.get("running"):
            assert await call(config, "--force") == 0


async def test_what_others_jobs_have_spoiled_is_not_told_as_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path, others=1) as (_, config):
        before = config.read_text()
        assert await call(config, "--apply", "--json") == 3
        tree = json.loads(capsys.readouterr().out)
        assert "jobs of others ran meanwhile" in tree["not_measured"]
        assert (tree["benchmark"], tree["applied"], config.read_text()) == ({}, [], before)
        assert await call(config, "--profile", "quality", "--json") == 3  # the operator's own choice stands
        assert "jobs of others" in json.loads(capsys.readouterr().out)["not_measured"]
        assert 'profile = "quality"' in config.read_text()
        assert await call(config, "--force", "--json") == 0
        assert json.loads(capsys.readouterr().out)["benchmark"]["quality"]["jobs_of_others_meanwhile"] > 0


async def test_servers_that_are_down_and_a_read_only_file_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(tmp_path) as (_, config):
        config.chmod(0o444)
        assert await call(config, "--apply") == 2
        assert "is read-only" in capsys.readouterr().err
    assert await call(config) == 1
    assert "does not answer" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments", [["--apply", "--watch"], ["--profile", "best"], ["--requests", "1"], ["--search", "-1"]]
)
async def test_mistakes_on_the_command_line_are_2(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "mining.toml").write_text("")
    assert await call(tmp_path / "mining.toml", *arguments) == 2


async def test_a_server_that_follows_another_file_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subnet17.ops.tuning.benchmark.IN_FORCE_S", 0.3)
    async with house(tmp_path) as (_, config):
        settings = Sources(config, environ={}).combine(config.read_bytes())
        async with RunningServers(settings, fit_score=0.6) as servers:
            await servers.in_force({PROFILE: "balanced"})
            with pytest.raises(PeerError, match="it works by"):
                await servers.in_force({PROFILE: "quality"})


async def test_a_search_that_is_ended_puts_the_file_back(tmp_path: Path) -> None:
    async with house(tmp_path) as (_, config):
        before = config.read_text()
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "performance_optimizer.py",
                "--config",
                str(config),
                "--search",
                "500",
                "--force",
            ),
            cwd=REPO,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        while b"try 1:" not in await process.stderr.readline():
            assert process.returncode is None
        assert (tmp_path / "data" / "optimizer" / PENDING).exists()
        process.terminate()
        await process.stderr.read()
        assert await process.wait() == 130
        assert config.read_text() == before
        assert not (tmp_path / "data" / "optimizer" / PENDING).exists()


def test_the_command_loads_neither_torch_nor_bittensor_nor_optuna() -> None:
    code = "import sys, subnet17.ops.tuning.cli; print(*{'torch', 'bittensor', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_miners_own_bound_is_no_proposal_without_tasks() -> None:
    settings = Settings(miner=MinerTable(self_validation_min_score=0.9))
    assert propose(settings, profile="", samples={}, history=None, backend="", terms=TERMS) == []
