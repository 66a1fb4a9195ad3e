"""The local subnet as a process and on the wire: real axons, signed calls, a small real scoring server."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bittensor as bt
import httpx
import pytest

from subnet17.errors import ConfigError
from subnet17.localnet.ledger import Kind, Record, read_record
from subnet17.localnet.main import main
from subnet17.localnet.subnet import LocalSubnet
from subnet17.mining.protocol import GetVersion, ImageTask, PullTask, SubmitResults, TextTask, sign_submit
from subnet17.settings import PROJECT_ROOT, Settings, load_settings
from tests.config_files import replace_text
from tests.ports import reserve_neighbours, reserve_port

MINER = bt.Keypair.create_from_uri("//Miner")
STRANGER = bt.Keypair.create_from_uri("//Stranger")
COMMAND = [sys.executable, "-m", "subnet17.localnet"]
ASSET = base64.b64encode(b"an asset that only the scoring server looks into").decode()


class ScoringServer(ThreadingHTTPServer):
    """Answers every validation with the status and score set on it, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Scoring)
        self.status, self.score = 200, 0.8
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Scoring(BaseHTTPRequestHandler):
    server: ScoringServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        self.server.may_answer.wait(120)
        self._answer(json.dumps({"score": self.server.score}))

    def do_GET(self) -> None:
        self._answer('"9.8.7"')

    def _answer(self, text: str) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


class Caller:
    """Signs and posts synapses to one axon, as a miner does."""

    def __init__(self, keypair: Any, *, port: int, validator_hotkey: str) -> None:
        self.keypair, self.port, self.validator_hotkey = keypair, port, validator_hotkey
        self.uuid = str(uuid.uuid4())

    def post(self, synapse: bt.Synapse, *, timeout_s: float = 60.0, **changed: Any) -> httpx.Response:
        synapse.timeout = 12.0
        nonce = changed.get("nonce", time.time_ns())
        mine, theirs = self.keypair.ss58_address, self.validator_hotkey
        synapse.axon = bt.TerminalInfo(ip="127.0.0.1", port=self.port, hotkey=theirs)
        message = f"{nonce}.{mine}.{theirs}.{self.uuid}.{synapse.body_hash}"
        signature = changed.get("signature", "0x" + self.keypair.sign(message).hex())
        synapse.dendrite = bt.TerminalInfo(
            ip="127.0.0.1", version=10_005_000, nonce=nonce, uuid=self.uuid, hotkey=mine, signature=signature
        )
        headers = synapse.to_headers()
        if "claimed_hotkey" in changed:
            synapse.dendrite.hotkey = changed["claimed_hotkey"]
        url = f"http://127.0.0.1:{self.port}/{type(synapse).__name__}"
        return httpx.post(url, headers=headers, json=synapse.model_dump(), timeout=timeout_s, trust_env=False)

    def pull(self) -> PullTask:
        return PullTask(**self.post(PullTask()).raise_for_status().json())

    def pull_task(self) -> TextTask | ImageTask:
        task = self.pull().task
        assert task is not None
        return task

    def submit(
        self, task: TextTask | ImageTask, results: str = ASSET, *, timeout_s: float = 60.0
    ) -> httpx.Response:
        now_ns = time.time_ns()
        signature = sign_submit(
            self.keypair, submit_time_ns=now_ns, prompt=task.prompt, validator_hotkey=self.validator_hotkey
        )
        return self.post(
            SubmitResults(task_id=task.id, results=results, submit_time=now_ns, signature=signature),
            timeout_s=timeout_s,
        )


@pytest.fixture
def scoring() -> Iterator[ScoringServer]:
    server = ScoringServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(tmp_path: Path, scoring: ScoringServer) -> Settings:
    return load_settings(
        environ={},
        flags={
            "network": {
                "local_port": reserve_neighbours(2)[0],
                "local_validators": 2,
                "local_image_share": 0,
            },
            "miner": {"validation_endpoint": scoring.url},
            "operations": {"data_dir": str(tmp_path)},
        },
    )


@pytest.fixture
def subnet(settings: Settings) -> Iterator[LocalSubnet]:
    with LocalSubnet(settings) as running:
        yield running


def _caller(subnet: LocalSubnet, keypair: Any = MINER, *, validator: int = 0) -> Caller:
    neuron = json.loads(subnet.neurons_path.read_text())[validator]
    return Caller(keypair, port=neuron["port"], validator_hotkey=neuron["hotkey"])


def _record(subnet: LocalSubnet) -> Record:
    record = read_record(subnet.ledger_path)
    assert record is not None
    return record


def _count(subnet: LocalSubnet, kind: Kind) -> int:
    return _record(subnet).count(kind)


def test_a_signed_result_is_scored_by_the_validation_server_and_accepted(
    subnet: LocalSubnet, scoring: ScoringServer
) -> None:
    miner = _caller(subnet)
    task = miner.pull_task()
    reply = SubmitResults(**miner.submit(task).raise_for_status().json())
    assert reply.feedback is not None
    assert reply.feedback.task_fidelity_score == pytest.approx(0.8)
    assert reply.feedback.current_miner_reward == pytest.approx(1500.0)
    assert reply.results == ""
    assert 260 <= reply.cooldown_until - time.time() <= 301
    assert scoring.asked == [
        ("/validate_txt_to_3d_ply/", {"prompt": task.prompt, "data": ASSET, "compression": 2})
    ]
    accepted = _record(subnet).validators[0].entries["accepted"]
    assert [(entry.task_id, entry.score) for entry in accepted] == [(task.id, 0.8)]


def test_each_validator_gives_its_own_task(subnet: LocalSubnet) -> None:
    tasks = [_caller(subnet, validator=uid).pull_task() for uid in (0, 1)]
    assert tasks[0].id != tasks[1].id
    assert _count(subnet, "assigned") == 2


def test_an_early_pull_after_acceptance_and_a_resent_result_are_refused(subnet: LocalSubnet) -> None:
    miner = _caller(subnet)
    task = miner.pull_task()
    miner.submit(task).raise_for_status()
    early = miner.pull()
    assert early.task is None
    assert early.cooldown_violations == 1
    assert early.cooldown_until > time.time() + 260
    assert miner.submit(task).status_code == 403
    assert [_count(subnet, kind) for kind in ("accepted", "violations", "refused")] == [1, 1, 1]


def _wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in 60 s")


def test_a_result_is_judged_even_if_its_miner_hangs_up(subnet: LocalSubnet, scoring: ScoringServer) -> None:
    miner = _caller(subnet)
    task = miner.pull_task()
    scoring.may_answer.clear()
    with pytest.raises(httpx.ReadTimeout):
        miner.submit(task, timeout_s=1.0)
    _wait_until(lambda: len(scoring.asked) == 1)
    ignored = SubmitResults(**miner.submit(task).raise_for_status().json())
    assert ignored.cooldown_until < time.time()
    scoring.may_answer.set()
    _wait_until(lambda: _count(subnet, "accepted") == 1)
    assert miner.submit(task).status_code == 403


def test_a_running_submit_is_answered_while_the_subnet_stops(
    settings: Settings, scoring: ScoringServer
) -> None:
    with LocalSubnet(settings) as subnet, ThreadPoolExecutor() as pool:
        miner = _caller(subnet)
        task = miner.pull_task()
        scoring.may_answer.clear()
        running = pool.submit(miner.submit, task)
        _wait_until(lambda: len(scoring.asked) == 1)
        stopping = pool.submit(subnet.stop)
        time.sleep(0.3)
        scoring.may_answer.set()
        reply = SubmitResults(**running.result().raise_for_status().json())
        stopping.result()
        assert reply.feedback is not None
        assert reply.feedback.task_fidelity_score == pytest.approx(0.8)
        assert not subnet.alive


def test_a_broken_scoring_server_is_the_validators_fault(subnet: LocalSubnet, scoring: ScoringServer) -> None:
    scoring.status = 503
    miner = _caller(subnet)
    reply = SubmitResults(**miner.submit(miner.pull_task()).raise_for_status().json())
    assert reply.feedback is not None
    assert reply.feedback.validation_failed
    assert reply.cooldown_until - time.time() <= 301
    assert _count(subnet, "failed") == 1


def test_an_asset_the_server_cannot_use_is_rejected_with_a_penalty(
    subnet: LocalSubnet, scoring: ScoringServer
) -> None:
    scoring.status = 422
    miner = _caller(subnet)
    reply = SubmitResults(**miner.submit(miner.pull_task()).raise_for_status().json())
    assert reply.feedback is not None
    assert not reply.feedback.validation_failed
    assert 860 <= reply.cooldown_until - time.time() <= 901
    assert _count(subnet, "rejected") == 1


def test_strangers_get_no_task_and_may_not_submit(subnet: LocalSubnet) -> None:
    stranger = _caller(subnet, STRANGER)
    pulled = stranger.pull()
    assert pulled.task is None
    assert pulled.cooldown_until == pytest.approx(time.time() + 3600, abs=60)
    task = _caller(subnet).pull_task()
    assert stranger.submit(task).status_code == 403


def test_calls_with_a_wrong_signature_or_an_old_nonce_are_not_heard(subnet: LocalSubnet) -> None:
    miner = _caller(subnet)
    assert miner.post(PullTask(), signature="0x" + "00" * 64).status_code == 401
    assert miner.post(PullTask(), nonce=time.time_ns() - 60 * 10**9).status_code == 401
    nonce = time.time_ns()
    assert miner.post(PullTask(), nonce=nonce).status_code == 200
    assert miner.post(PullTask(), nonce=nonce).status_code == 401


def test_the_hotkey_that_counts_is_the_one_that_signed(subnet: LocalSubnet) -> None:
    stranger = _caller(subnet, STRANGER)
    reply = PullTask(**stranger.post(PullTask(), claimed_hotkey=MINER.ss58_address).json())
    assert reply.task is None
    assert _count(subnet, "assigned") == 0


def test_the_version_of_the_validation_server_is_told(subnet: LocalSubnet) -> None:
    reply = GetVersion(**_caller(subnet).post(GetVersion()).raise_for_status().json())
    assert reply.validation_version == "9.8.7"


def test_image_tasks_carry_a_png_and_go_to_the_image_route(
    settings: Settings, scoring: ScoringServer
) -> None:
    network = settings.network.model_copy(update={"local_image_share": 1.0, "local_validators": 1})
    with LocalSubnet(settings.model_copy(update={"network": network})) as subnet:
        miner = _caller(subnet)
        task = miner.pull_task()
        assert task.type == "image"
        assert base64.b64decode(task.prompt).startswith(b"\x89PNG")
        miner.submit(task).raise_for_status()
        route, body = scoring.asked[0]
        assert route == "/validate_img_to_3d_ply/"
        assert body["prompt_image"] == task.prompt
        assert _count(subnet, "accepted") == 1


def test_axons_listen_on_loopback_only(subnet: LocalSubnet) -> None:
    ports = {axon.port for axon in subnet.axons}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1][-4:], 16) in ports}
    assert addresses == {"0100007F"}


def test_the_chain_file_lists_validators_and_the_miner(subnet: LocalSubnet) -> None:
    neurons = json.loads(subnet.neurons_path.read_text())
    assert [neuron["uid"] for neuron in neurons] == [0, 1, 2]
    assert [neuron["is_serving"] for neuron in neurons] == [True, True, False]
    assert neurons[2]["hotkey"] == MINER.ss58_address
    assert [neuron["stake"] >= 1000 for neuron in neurons] == [True, True, False]


def test_a_restarted_subnet_returns_the_same_task_unless_told_to_forget(settings: Settings) -> None:
    seen = []
    for fresh in (False, False, True):
        with LocalSubnet(settings, fresh=fresh) as subnet:
            seen.append(_caller(subnet).pull_task().id)
    assert seen[0] == seen[1] != seen[2]


def test_a_port_in_use_is_named(subnet: LocalSubnet, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=rf"port {settings.network.local_port} on 127.0.0.1 is in use"):
        LocalSubnet(settings)


def _wait_for(path: Path, process: subprocess.Popen[str], *, holds: str = "") -> None:
    for _ in range(1200):
        if path.exists() and holds in path.read_text():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError(f"{path} was not written, or does not hold {holds!r}")


def test_the_process_follows_its_file_and_stops_with_0_on_sigterm(tmp_path: Path) -> None:
    port = reserve_port()
    config, said = tmp_path / "mining.toml", tmp_path / "said"
    config.write_text("# nothing is set\n")
    process = subprocess.Popen(
        [*COMMAND, "--validators", "1", "--port", str(port), "--time-scale", "0.1"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "S17_OPERATIONS__DATA_DIR": str(tmp_path), "S17_CONFIG": str(config)},
        stderr=said.open("w"),
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        _wait_for(tmp_path / "localnet" / "neurons.json", process)
        replace_text(config, '[operations]\nlog_level = "debug"\n')
        _wait_for(said, process, holds="settings reloaded")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    ledger = json.loads((tmp_path / "localnet" / "ledger.json").read_text())
    assert ledger["time_scale"] == 0.1
    assert len(ledger["validators"]) == 1


def test_the_command_fails_with_2_and_leaves_nothing_when_a_port_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S17_OPERATIONS__DATA_DIR", str(tmp_path))
    monkeypatch.setattr("subnet17.localnet.main.configure_logging", lambda **_: None)
    port = reserve_neighbours(2)[0]
    with socket.create_server(("127.0.0.1", port + 1)):
        assert main(["--validators", "2", "--port", str(port)]) == 2
    assert f"port {port + 1} on 127.0.0.1 is in use" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ledger.json", "neurons.json"])
def test_a_file_that_cannot_be_written_ends_the_command_with_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S17_OPERATIONS__DATA_DIR", str(tmp_path))
    monkeypatch.setattr("subnet17.localnet.main.configure_logging", lambda **_: None)
    (tmp_path / "localnet" / f".{name}.draft").mkdir(parents=True)  # where the file is written first
    assert main(["--validators", "1", "--port", str(reserve_port())]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert told == [f"error: can't write {tmp_path}/localnet/{name}: Is a directory"]
