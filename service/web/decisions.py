"""A reviewer's decision, from the form that was sent to the next item to open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from service.domain import Answer, abstain
from service.store.analyses import add_analysis
from service.store.failures import get_failure
from service.store.ids import new_id
from service.store.reviews import Decision, NoSuchAnalysis, Reason, StaleAnalysis, review
from service.web.pages import query_string
from service.web.pages_failure import next_to_review
from service.web.queue_filter import read_filter
from service.web.services import Services

LONGEST_NOTE = 2_000
_NO_ANSWER = "No rule and no model answered this failure before an engineer looked at it."


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reviewer decided on. `analysis_id` is empty where the failure had no answer."""

    failure_id: str
    analysis_id: str
    version: int


def read_seen(failure_id: str, fields: Mapping[str, str]) -> Seen | None:
    """What the form says it was filled in for; None when the form is damaged."""
    version = fields.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10) or "analysis" not in fields:
        return None
    return Seen(failure_id, fields["analysis"], int(version))


def read_note(fields: Mapping[str, str]) -> str | None:
    """The reviewer's note, bounded; None where there is none."""
    return fields.get("note", "").strip()[:LONGEST_NOTE] or None


def decide(
    services: Services,
    seen: Seen,
    reviewer: str,
    decision: Decision,
    *,
    reason: Reason | None = None,
    note: str | None = None,
    corrected: Answer | None = None,
) -> None:
    """Store the decision. Raises like `store.reviews.review`."""
    with services.engine.begin() as conn:
        current = seen if seen.analysis_id else _with_empty_answer(conn, seen)
        review(
            conn,
            current.analysis_id,
            reviewer,
            decision,
            expected_version=current.version,
            reason=reason,
            note=note,
            corrected=corrected,
        )


def open_next(
    request: Request, services: Services, failure_id: str, decision: Decision | Literal["snooze"]
) -> RedirectResponse:
    """To the next item of the reader's queue, or to the queue when nothing is left."""
    wanted = read_filter(request.query_params)
    with services.engine.connect() as conn:
        following = next_to_review(conn, wanted, failure_id)
    query = query_string(wanted.parameters() | {"done": decision, "was": failure_id})
    return RedirectResponse(f"/failures/{following}{query}" if following else f"/{query}", 303)


def _with_empty_answer(conn: Connection, seen: Seen) -> Seen:
    """A failure without an answer gets one that claims nothing, so that there is something to decide on."""
    failure = get_failure(conn, seen.failure_id)
    if failure is None:
        raise NoSuchAnalysis("there is no such failure")
    if failure.version != seen.version or failure.current_analysis_id:
        raise StaleAnalysis(failure, None)
    answer = abstain(new_id(), _NO_ANSWER)
    add_analysis(conn, failure.id, answer)
    return Seen(failure.id, answer.id, failure.version + 1)
