"""Reading a validator's verdict."""

from __future__ import annotations

import pytest

from subnet17.mining.feedback import Prices, Verdict, read_verdict
from subnet17.mining.protocol import Feedback, SubmitResults

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("fidelity", "failed", "cooldown_in_s", "verdict"),
    [
        (0.7, False, 300, Verdict.ACCEPTED),
        (0.7, False, -5, Verdict.ACCEPTED),
        (0.7, True, 300, Verdict.ACCEPTED),
        (0.0, True, 300, Verdict.VALIDATOR_FAULT),
        (0.0, False, 900, Verdict.REJECTED),
        (0.0, False, 870, Verdict.REJECTED),
        (0.0, False, 300, Verdict.SKIP_OR_DUPLICATE),
        (0.0, False, 270, Verdict.SKIP_OR_DUPLICATE),
        (0.0, False, 30, Verdict.SKIP_OR_DUPLICATE),
        (0.0, False, 0, Verdict.IGNORED_KEEP),
        (0.0, False, -400, Verdict.IGNORED_KEEP),
    ],
)
def test_verdict_follows_the_protocols_table(
    fidelity: float, failed: bool, cooldown_in_s: int, verdict: Verdict
) -> None:
    answer = SubmitResults(
        feedback=Feedback(task_fidelity_score=fidelity, validation_failed=failed),
        cooldown_until=int(NOW_S) + cooldown_in_s,
    )
    assert read_verdict(answer, validator_now_s=NOW_S, prices=Prices()) is verdict


def test_an_answer_without_feedback_and_cooldown_is_no_verdict() -> None:
    verdict = read_verdict(SubmitResults(), validator_now_s=NOW_S, prices=Prices())
    assert verdict is Verdict.IGNORED_KEEP
    assert not verdict.is_final


def test_the_border_moves_with_a_faster_subnet() -> None:
    prices = Prices().scaled(0.1)
    answer = SubmitResults(feedback=Feedback(), cooldown_until=int(NOW_S) + 88)
    assert read_verdict(answer, validator_now_s=NOW_S, prices=prices) is Verdict.REJECTED
    answer = SubmitResults(feedback=Feedback(), cooldown_until=int(NOW_S) + 28)
    assert read_verdict(answer, validator_now_s=NOW_S, prices=prices) is Verdict.SKIP_OR_DUPLICATE
