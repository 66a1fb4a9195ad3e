"""How a task from the journal goes on: from the state it is in, never from further back.

pulled, generated, scored   worked on, with the candidates that are there
sending                     whether it arrived is unknown: the same bytes once more
answered                    its validator hands it out again, so it forgot: the same bytes once more
answered: rejected          the same bytes would be rejected again: new ones
sent too often in vain      its validator can't take these bytes: skipped, or it would give no other task
"""

from __future__ import annotations

import base64
import dataclasses

from subnet17.errors import JournalError
from subnet17.log import get_logger
from subnet17.mining.clock import Clock
from subnet17.mining.feedback import UNPAID, Verdict
from subnet17.mining.journal import Journal
from subnet17.mining.protocol import SKIP
from subnet17.mining.records import Draft, Record, TaskState
from subnet17.mining.tasks import Assignment, Candidate, Submission

log = get_logger()


def assignment_of(record: Record, clock: Clock) -> Assignment:
    """A task's assignment on this process's monotonic clock."""
    assigned = record.assignment
    passed_s = max(0.0, clock.wall_s() - assigned.assigned_at_s)
    return dataclasses.replace(assigned, assigned_s=clock.monotonic_s() - passed_s)


def pulled_again(record: Record, assignment: Assignment, clock: Clock) -> Assignment:
    """A known task that came with another pull: until it is settled its time runs on from the first one."""
    if record.state is TaskState.ANSWERED:
        return assignment
    first = assignment_of(record, clock)
    return dataclasses.replace(assignment, assigned_s=first.assigned_s, assigned_at_s=first.assigned_at_s)


def perhaps_paid_at_s(record: Record) -> float | None:
    """Unix seconds of the last attempt; None where its verdict says that it brought nothing.

    What a validator that hands such a task out again answers to the next attempt is about that attempt.
    """
    verdict = record.answer.verdict if record.answer is not None else None
    return None if verdict in {*UNPAID, Verdict.SKIP_OR_DUPLICATE} else record.sent_at_s


async def recall_submission(journal: Journal, record: Record, assignment: Assignment) -> Submission | None:
    """What was decided to hand in, with the very bytes; None when the task has to be worked on."""
    decided = record.state in {TaskState.SENDING, TaskState.ANSWERED}
    if not decided or (record.answer is not None and record.answer.verdict == Verdict.REJECTED):
        return None
    if record.chosen is None:
        if record.state is TaskState.ANSWERED and not record.reason:
            return None  # closed before anything was decided
        return Submission(assignment, results=SKIP, reason=record.reason, candidates=record.candidates)
    draft = record.chosen_draft
    candidate = await recall_candidate(journal, draft) if draft else None
    if draft is None or candidate is None:
        return None
    submission = Submission(
        assignment,
        results=base64.b64encode(candidate.data).decode("ascii"),
        reason=record.reason,
        candidates=record.candidates,
        seed=draft.seed,
        backend=draft.backend,
        score=draft.score.value if draft.score else None,
        scorer=draft.score.scorer if draft.score else "",
        index=draft.index,
    )
    if not record.is_refused:
        return submission
    reason = f"its result got no verdict in {record.attempts} attempts"
    log.error("result refused for good, the task is skipped", task=assignment.task_id, reason=reason)
    return submission.as_skip(reason)


async def recall_candidate(journal: Journal, draft: Draft) -> Candidate | None:
    """A draft with its bytes; None when these are gone, which is told where they should be there."""
    if not draft.sha256:
        return None
    try:
        data = await journal.asset(draft.sha256)
    except JournalError as error:
        log.error("a finished asset is lost", reason=error.message)
        return None
    return Candidate(draft.index, draft.seed, data, draft.backend, draft.generation_s)
