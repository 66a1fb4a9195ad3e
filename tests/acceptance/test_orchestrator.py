"""The orchestrator as a person runs it, with real processes: killed, frozen, looping; both supervisors.

The services are stand-ins under the project's own command table, except in the last tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from bittensor_wallet import Wallet
from orchestrated import (
    GENERATION,
    MINER,
    NAMES,
    REPO,
    VALIDATION,
    House,
    copy_project,
    open_house,
    wait_until,
)

from subnet17.ops.state import Orders
from subnet17.ops.supervisor import is_alive
from tests.ports import reserve_port, reserve_ports

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the project; each test's house has its own data, logs and ports."""
    folder = tmp_path_factory.mktemp("orchestrator") / "project"
    copy_project(folder)
    return folder


@pytest.fixture
def house(root: Path, tmp_path: Path) -> Iterator[House]:
    with open_house(root, tmp_path / "own", S17_OPERATIONS__SUPERVISOR="own") as house:
        yield house


def test_each_starts_once_the_one_before_is_healthy_and_the_miner_drains_first(house: House) -> None:
    house.set_mode(GENERATION, "not_ready")
    house.set_mode(MINER, "slow_drain")
    house.env["S17_OPERATIONS__KILL_TIMEOUT_S"] = "30"  # nobody is to be killed for being slow to end
    house.run()
    house.wait_for(validation_server="healthy", generation_server="starting", subnet17_miner="waiting")
    code, rows = house.report()
    assert code == 1
    assert rows[GENERATION]["note"] == "no weights"
    house.set_mode(GENERATION, "")
    house.wait_healthy()
    code, rows = house.report()
    assert code == 0
    assert {name: row["pid"] for name, row in rows.items()} == house.pids()
    assert house.end() == 0
    started, ended = house.history()[:3], house.history()[3:]
    assert started == [(VALIDATION, "start"), (GENERATION, "start"), (MINER, "start")]
    order = [(name, what) for name in (MINER, GENERATION, VALIDATION) for what in ("drain", "end")]
    assert ended == order
    assert house.call("status").returncode == 1


def test_killed_and_frozen_processes_are_replaced_and_counted(house: House) -> None:
    house.run()
    house.wait_healthy()
    before = house.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: len(set(house.pids().values()) - set(before.values())) == 3, what="three new processes"
    )
    wait_until(lambda: [s["restarts"] for s in house.state().values()] == [1, 1, 1], what="three restarts")
    house.wait_healthy()
    frozen = house.pids()
    for pid in frozen.values():
        os.kill(pid, signal.SIGSTOP)
    wait_until(
        lambda: [s["restarts"] for s in house.state().values()] == [2, 2, 2], what="three more restarts"
    )
    house.wait_healthy()
    assert not set(house.pids().values()) & set(frozen.values())
    for state in house.state().values():
        assert "no answer to /health/" in state["crashes"]["last_failure"]
    assert house.end() == 0
    assert house.pids() == {}


def test_a_loop_and_a_taken_port_are_put_aside_the_rest_works_and_both_are_remembered(house: House) -> None:
    house.set_mode(VALIDATION, "crash")
    house.env |= {"S17_OPERATIONS__CRASH_LOOP_PAUSE_S": "600", "S17_OPERATIONS__CRASH_LOOP_FAILURES": "3"}
    with socket.create_server(("127.0.0.1", house.ports[GENERATION])):
        house.run()
        house.wait_for(validation_server="aside", generation_server="aside", subnet17_miner="healthy")
    _, rows = house.report()
    assert "error: no wallet" in rows[VALIDATION]["note"]
    assert f"port {house.ports[GENERATION]} ({GENERATION}) is in use" in rows[GENERATION]["note"]
    starts = house.history().count((VALIDATION, "start"))
    assert starts >= 3
    aside = {n: s["crashes"]["aside_until_s"] for n, s in house.state().items()}
    house.end(how=signal.SIGKILL)
    house.run()
    house.wait_for(validation_server="aside", generation_server="aside", subnet17_miner="healthy")
    assert {n: s["crashes"]["aside_until_s"] for n, s in house.state().items()} == aside
    assert house.history().count((VALIDATION, "start")) == starts
    assert house.call("start", "--process", "generation_server").returncode == 0
    assert house.doing() == {VALIDATION: "aside", GENERATION: "healthy", MINER: "healthy"}
    assert house.end() == 0
    assert house.pids() == {}


def test_work_that_fails_or_is_not_ready_is_told_apart(house: House) -> None:
    house.env["S17_OPERATIONS__WORK_CHECK_INTERVAL_S"] = "0.3"
    house.run()
    house.wait_healthy()
    before = house.pids()
    wait_until(lambda: (VALIDATION, "asked") in house.history(), what="a real request")
    house.set_mode(VALIDATION, "not_ready")
    house.set_mode(GENERATION, "broken")
    house.wait_for(validation_server="failing")
    wait_until(lambda: house.state()[GENERATION]["restarts"] >= 1, what="a restart")
    assert "500: " in house.state()[GENERATION]["crashes"]["last_failure"]
    house.set_mode(GENERATION, "")
    house.set_mode(VALIDATION, "")
    house.wait_healthy()
    assert house.pids()[VALIDATION] == before[VALIDATION]  # it says itself that it can't work: no restart
    assert house.pids()[GENERATION] != before[GENERATION]


def test_a_killed_orchestrator_takes_nothing_along_and_the_next_one_adopts(house: House) -> None:
    house.run()
    house.wait_healthy()
    before = house.pids()
    house.end(how=signal.SIGKILL)
    assert house.pids() == before
    code, rows = house.report()
    assert code == 0
    assert {name: row["pid"] for name, row in rows.items()} == before
    shutil.rmtree(house.folder / "data" / "orchestrator")  # also without a word of what was
    house.run()
    house.wait_healthy()
    assert house.pids() == before
    second = house.call("run")
    assert second.returncode == 2
    assert f"another orchestrator is at work: run (pid {house.running.pid})" in second.stderr  # type: ignore[union-attr]
    os.kill(before[GENERATION], signal.SIGKILL)
    os.kill(before[MINER], signal.SIGSTOP)
    wait_until(lambda: house.state()[MINER]["restarts"] == 1, what="the adopted miner's restart")
    house.wait_healthy()
    assert house.pids()[VALIDATION] == before[VALIDATION]
    assert len(set(house.pids().values()) - set(before.values())) == 2
    assert house.end() == 0
    assert house.pids() == {}


def test_commands_name_processes_either_way_with_and_without_a_run(house: House) -> None:
    unknown = house.call("start", "--process", "generaton_server")
    assert unknown.returncode == 2
    assert "did you mean generation-server?" in unknown.stderr
    assert house.call("start", "--process", "generation_server").returncode == 0
    assert set(house.pids()) == {GENERATION}
    first = house.pids()[GENERATION]
    house.run()
    house.wait_healthy()
    assert house.pids()[GENERATION] == first
    again = house.call("restart", "--process", "generation-server")
    assert again.returncode == 0
    assert f"waiting for run (pid {house.running.pid}) to do it" in again.stderr  # type: ignore[union-attr]
    assert house.pids()[GENERATION] != first
    assert house.call("stop", "--process", "subnet17_miner").returncode == 0
    assert set(house.pids()) == {GENERATION, VALIDATION}
    assert house.end() == 0
    house.run()
    house.wait_for(validation_server="healthy", generation_server="healthy", subnet17_miner="down")
    assert house.call("start").returncode == 0
    assert set(house.pids()) == set(NAMES)
    assert house.call("stop").returncode == 0
    assert house.running is not None
    assert house.running.wait(60) == 0
    assert house.pids() == {}


@pytest.mark.parametrize(
    ("script", "number", "code"),
    [
        ("start", signal.SIGINT, 130),
        ("start", signal.SIGTERM, -signal.SIGTERM),
        ("launch", signal.SIGINT, 130),
        ("launch", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_whoever_interrupts_a_start_is_told_what_goes_on(
    request: pytest.FixtureRequest, script: str, number: signal.Signals, code: int
) -> None:
    house: House = request.getfixturevalue("house" if script == "start" else "pm2_house")
    house.set_mode(VALIDATION, "not_ready")
    wallets = house.folder / "wallets"  # the start script looks for one first
    Wallet(name="default", hotkey="default", path=str(wallets)).create_new_hotkey(
        use_password=False, overwrite=True, suppress=True
    )
    house.env["S17_MINER__WALLET_PATH"] = str(wallets)
    launch = [sys.executable, "-m", "subnet17.ops.launch", "start"]
    with subprocess.Popen(
        house.command("start") if script == "start" else launch,
        cwd=house.root,
        env=house.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as command:
        wait_until(lambda: set(house.pids()) == {VALIDATION}, what="the first to be started")
        pids = house.pids()
        house.wait_for(validation_server="starting")
        command.send_signal(number)
        told = command.communicate(timeout=90)[1]
    assert command.returncode == code, told
    assert "interrupted: what was started goes on" in told
    assert "./stop_mining.sh" in told
    assert "Traceback" not in told
    assert house.pids() == pids
    assert house.call("stop").returncode == 0


@pytest.mark.parametrize("state", ["starting", "frozen", "stopping"])
def test_sigterm_in_any_state_ends_all_in_order(house: House, state: str) -> None:
    if state == "starting":
        house.set_mode(GENERATION, "not_ready")
        house.run()
        house.wait_for(generation_server="starting", subnet17_miner="waiting")
    else:
        house.set_mode(MINER, "slow_drain")
        house.run()
        house.wait_healthy()
    if state == "frozen":
        os.kill(house.pids()[GENERATION], signal.SIGSTOP)
        house.wait_for(generation_server="restarting")
    if state == "stopping":
        (house.folder / "data" / "orchestrator" / "orders.json").write_text(
            Orders(number=1, stopped={MINER}).model_dump_json()
        )
        house.wait_for(subnet17_miner="stopping")
    assert house.end() == 0
    assert house.pids() == {}
    assert set(house.doing().values()) == {"down"}


@pytest.fixture
def pm2_house(root: Path, tmp_path: Path) -> Iterator[House]:
    if shutil.which("node") is None:
        pytest.fail("Node.js is missing: this test needs PM2")
    quick = {
        "S17_OPERATIONS__SUPERVISOR": "pm2",
        "S17_OPERATIONS__HEALTH_INTERVAL_S": 0.5,
        "S17_OPERATIONS__KILL_TIMEOUT_S": 5,  # what is not frozen ends by itself
    }
    with open_house(root, tmp_path / "pm2ed", **quick) as house:
        yield house
        house.pm2("kill")


def test_pm2_restarts_what_crashes_and_the_orchestrator_what_pm2_cannot_see(pm2_house: House) -> None:
    house = pm2_house
    house.run()
    house.wait_healthy()
    assert house.end() == 0  # PM2 goes on without it
    before = house.pids()
    assert {name: app["pid"] for name, app in house.apps().items()} == before
    house.run()
    house.wait_healthy()
    assert house.pids() == before
    os.kill(before[MINER], signal.SIGKILL)
    wait_until(lambda: house.state()[MINER]["restarts"] == 1, what="PM2's restart to be counted")
    os.kill(before[VALIDATION], signal.SIGSTOP)
    wait_until(lambda: house.state()[VALIDATION]["restarts"] == 1, what="the restart of what hangs")
    house.wait_healthy()
    assert house.pids()[GENERATION] == before[GENERATION]
    assert house.history().count((MINER, "start")) == 2  # restarted once, by one of the two
    house.set_mode(GENERATION, "crash")
    os.kill(before[GENERATION], signal.SIGKILL)
    house.wait_for(generation_server="aside")
    assert house.apps()[GENERATION]["pm2_env"]["status"] == "stopped"
    house.set_mode(GENERATION, "")
    house.wait_healthy()
    before = (
        house.pids()
    )  # PM2 is killed with one of its apps: the next PM2 starts that and takes over the others
    for pid in (int((house.folder / "pm2" / "pm2.pid").read_text()), before[MINER]):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(house.pids().values()) & set(before.values()), what="new processes")
    house.wait_healthy()
    house.end(how=signal.SIGKILL)
    left = house.pids()
    assert {name: app["pid"] for name, app in house.apps().items()} == left
    assert set(left) == set(NAMES)
    code, rows = house.report()
    assert (code, {name: row["pid"] for name, row in rows.items()}) == (0, left)
    assert house.call("stop").returncode == 0
    assert house.pids() == {}
    assert house.history()[-1] == (VALIDATION, "end")
    assert not (house.folder / "pm2" / "pm2.pid").exists()


def test_what_hangs_is_killed_soon_and_none_waits_for_another(pm2_house: House) -> None:
    house = pm2_house
    house.env["S17_OPERATIONS__KILL_TIMEOUT_S"] = "300"  # PM2 would give each so long
    house.env["S17_OPERATIONS__HEALTH_TIMEOUT_S"] = "1"
    house.run()
    house.wait_healthy()
    before = house.pids()
    for name in (VALIDATION, GENERATION):
        os.kill(before[name], signal.SIGSTOP)
    gone = [psutil.Process(before[name]) for name in (VALIDATION, GENERATION)]
    wait_until(lambda: not any(is_alive(process) for process in gone), what="both to be killed")
    house.wait_healthy()
    assert house.pids()[MINER] == before[MINER]
    house.end()
    assert house.call("stop").returncode == 0
    assert house.pids() == {}


def test_orders_reach_the_pm2_of_the_start_whatever_home_they_come_with(
    pm2_house: House, tmp_path: Path
) -> None:
    house = pm2_house
    assert house.call("start").returncode == 0
    before, kept, home = house.pids(), house.env["PM2_HOME"], tmp_path / "home"
    house.env["PM2_HOME"] = str(tmp_path / "other")
    status = house.call("status")
    assert status.returncode == 0
    assert f"notice: PM2_HOME is {tmp_path / 'other'}, and our processes run under the PM2 of {kept}" in (
        status.stderr
    )
    file = house.folder / "data" / "orchestrator" / "state.json"  # of a version that kept no home, say
    state = file.read_text()
    file.write_text(state.replace(kept, ""))
    code, rows = house.report()
    assert code == 1
    assert {name: row["pid"] for name, row in rows.items()} == before
    for order, refused in {"stop": 1, "start": 2, "restart": 2}.items():
        told = house.call(order)
        assert told.returncode == refused
        assert "nothing of ours" not in told.stdout
        for pid in before.values():
            assert f"it runs as pid {pid} of user" in told.stderr
        assert f"under PM2_HOME={kept}" in told.stderr
    assert house.pids() == before
    file.write_text(state)
    del house.env["PM2_HOME"]
    house.env["HOME"] = str(home)
    stopped = house.call("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped all\n"), stopped.stderr
    assert house.pids() == {}
    assert not list(tmp_path.glob("h*/.pm2")), "nobody needed another PM2"
    house.env["PM2_HOME"] = kept


def test_the_real_services_are_kept_up_and_end_in_order(tmp_path: Path) -> None:
    ports = dict(zip(NAMES, reserve_ports(len(NAMES)), strict=True))
    house = House(
        REPO,
        tmp_path,
        ports,
        S17_OPERATIONS__SUPERVISOR="own",
        S17_OPERATIONS__HEALTH_INTERVAL_S=1,
        S17_OPERATIONS__HEALTH_TIMEOUT_S=5,
        S17_OPERATIONS__HEALTH_FAILURES=2,
        S17_OPERATIONS__KILL_TIMEOUT_S=8,
        S17_OPERATIONS__WORK_CHECK_INTERVAL_S=5,
        S17_MINER__DRAIN_TIMEOUT_S=2,
        S17_NETWORK__LOCAL_PORT=reserve_port(),
        S17_NETWORK__LOCAL_VALIDATORS=1,
    )
    try:
        house.run("--local")
        house.wait_for(180, local_subnet="healthy")
        house.wait_healthy(180)
        before = house.pids()
        os.kill(before[MINER], signal.SIGKILL)
        os.kill(before[GENERATION], signal.SIGSTOP)
        wait_until(lambda: len(set(house.pids().values()) - set(before.values())) == 2, what="new processes")
        house.wait_healthy(180)
        assert house.pids()[VALIDATION] == before[VALIDATION]
        failures = [s["crashes"]["last_failure"] for s in house.state().values()]
        assert any("no answer" in failure for failure in failures)
        assert not any("small request" in failure for failure in failures)
        assert house.end() == 0
        assert house.pids() == {}
        killed = [line for line in house.log().splitlines() if "killed, it did not end in time" in line]
        assert any(f"process={GENERATION}" in line for line in killed), killed  # the frozen one
    finally:
        house.close()


@pytest.fixture
def configured_house(house: House, tmp_path: Path) -> Iterator[House]:
    """Its file alone says where its data lies."""
    config = tmp_path / "mining.toml"
    config.write_text(f'[operations]\ndata_dir = "{house.env.pop("S17_OPERATIONS__DATA_DIR")}"\n')
    house.env["S17_CONFIG"] = str(config)
    yield house
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("S17_CONFIG", "").startswith(str(tmp_path)):
                process.kill()


def test_a_slip_in_the_configuration_keeps_nobody_from_looking_and_stopping(configured_house: House) -> None:
    house = configured_house
    config = Path(house.env["S17_CONFIG"])
    house.run()
    house.wait_healthy()
    pids = {name: row["pid"] for name, row in house.report()[1].items()}
    services = [psutil.Process(pid) for pid in pids.values()]
    with config.open("a") as file:
        file.write("[miner")
    code, rows = house.report()
    assert (code, {name: row["pid"] for name, row in rows.items()}) == (0, pids)
    assert house.call("start").returncode == 2  # what starts something asks for a file that is right
    assert house.call("stop", "--process", "generation_server").returncode == 0
    house.end(how=signal.SIGKILL)  # also where no `run` remembers the good file
    stopped = house.call("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped all\n")
    assert f"warning: {config} is not valid TOML" in stopped.stderr
    where = f"with data_dir {house.folder / 'data'}"
    assert f"going by the settings of the last start, {where}" in stopped.stderr
    assert not any(is_alive(service) for service in services)
    house.env["S17_CONFIG"] = str(config.rename(config.with_name("never_good.toml")))
    nothing = house.call("stop")
    assert (nothing.returncode, nothing.stdout) == (1, "nothing of ours was running\n")
    assert "going by the defaults" in nothing.stderr
