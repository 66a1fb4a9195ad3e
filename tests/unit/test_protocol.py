"""The synapses beside bittensor's own."""

from __future__ import annotations

import bittensor as bt
import pytest

from subnet17.mining.protocol import GetVersion, PullTask, SubmitResults, TextTask

MESSAGES = [
    PullTask(task=TextTask(id="1", prompt="p"), cooldown_until=5),
    SubmitResults(task_id="1", results="AAAA", submit_time=7, signature="s"),
    GetVersion(version=3),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_headers_are_those_that_bittensor_would_make(
    message: bt.Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    message.dendrite = bt.TerminalInfo(ip="127.0.0.1", nonce=1, hotkey="5A", signature="0x")
    ours = message.to_headers()
    assert message.get_required_fields() == bt.Synapse.get_required_fields(message)
    monkeypatch.setattr(type(message), "get_required_fields", bt.Synapse.get_required_fields)
    assert {k: v for k, v in ours.items() if "size" not in k} == {
        k: v for k, v in message.to_headers().items() if "size" not in k
    }
    assert ours["name"] == type(message).__name__
