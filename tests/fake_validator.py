"""A small validator on a real axon, for tests of the miner.

No postponed annotations here: Axon reads the handlers' annotations as classes.
"""

import base64
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any, Tuple  # noqa: UP035 - Axon compares a blacklist function's annotation with typing.Tuple

import bittensor as bt
from peers import key, listen

from subnet17.mining.protocol import Feedback, PullTask, SubmitResults, TextTask, submit_message


@dataclass(frozen=True)
class _Wallet:
    hotkey: Any


class FakeValidator:
    """A validator on a real Axon: gives out tasks, checks signatures, accepts from `threshold` on.

    Attributes:
        answers: "busy" entries make a submit look ignored, "crash" answers 500 after recording it.
        accepted: (task id, results) in order.
    """

    def __init__(self, name: str = "Validator0", *, cooldown_s: int = 3) -> None:
        self.keypair = key(name)
        self.cooldown_s = cooldown_s
        self.registered = True
        self.unregistered_s = 3600.0
        self.answers: list[str] = []
        self.task: TextTask | None = None
        self.accepted: list[tuple[str, str]] = []
        self.skipped = 0
        self.submits: list[SubmitResults] = []
        self.bad_signatures = 0
        self.violations = 0
        self.throttle_s = 0
        self._ready_s = 0.0
        self._listener = listen()
        self.port = self._listener.getsockname()[1]
        self._axon = self._make_axon()
        self._thread = threading.Thread(
            target=self._axon.fast_server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def __enter__(self) -> "FakeValidator":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._axon.fast_server.should_exit = True
        self._thread.join(60)

    def as_neuron(self, uid: int = 0) -> dict[str, Any]:
        """Its entry in a chain file."""
        own = {"uid": uid, "hotkey": self.keypair.ss58_address, "port": self.port}
        return own | {"ip": "127.0.0.1", "stake": 1e4, "is_serving": True}

    def _make_axon(self) -> Any:
        axon = bt.Axon(
            wallet=_Wallet(self.keypair),
            config=bt.Config(),
            ip="127.0.0.1",
            port=self.port,
            external_ip="127.0.0.1",
            external_port=self.port,
        )
        axon.fast_config.host = "127.0.0.1"
        axon.fast_config.timeout_graceful_shutdown = 1

        def pull(synapse: PullTask) -> PullTask:
            return self.pull(synapse)

        def submit(synapse: SubmitResults) -> SubmitResults:
            return self.submit(synapse)

        def refuse(synapse: SubmitResults) -> Tuple[bool, str]:  # noqa: UP006
            return self.task is None, "no task is assigned"

        axon.attach(pull).attach(submit, blacklist_fn=refuse)
        return axon

    def pull(self, synapse: PullTask) -> PullTask:
        """Gives out the task in hand, or a new one."""
        now_s = time.time()
        if not self.registered:
            synapse.cooldown_until = int(now_s + self.unregistered_s)
            return synapse
        if now_s < self._ready_s:
            self.violations += 1
            synapse.cooldown_until, synapse.cooldown_violations = int(self._ready_s), self.violations
            return synapse
        self.task = self.task or TextTask(id=str(uuid.uuid4()), prompt="a red chair")
        synapse.task, synapse.throttle_period = self.task, self.throttle_s
        return synapse

    def submit(self, synapse: SubmitResults) -> SubmitResults:
        """Judges a result."""
        self.submits.append(synapse.model_copy())
        answer = self.answers.pop(0) if self.answers else ""
        assert self.task is not None
        message = submit_message(
            submit_time_ns=synapse.submit_time,
            prompt=self.task.prompt,
            validator_hotkey=self.keypair.ss58_address,
            miner_hotkey=synapse.dendrite.hotkey,
        )
        signed = base64.b64decode(synapse.signature)
        if not bt.Keypair(ss58_address=synapse.dendrite.hotkey).verify(message, signed):
            self.bad_signatures += 1
        synapse.feedback = Feedback()
        if answer == "busy" or synapse.task_id != self.task.id:
            return synapse
        if synapse.results == "":
            self.skipped += 1
        else:
            self.accepted.append((self.task.id, synapse.results))
            synapse.feedback = Feedback(task_fidelity_score=0.9, current_miner_reward=12.5)
        self.task = None
        self._ready_s = time.time() + self.cooldown_s
        synapse.cooldown_until = int(self._ready_s) + 1
        if answer == "crash":
            raise RuntimeError("after it was accepted")
        return synapse
