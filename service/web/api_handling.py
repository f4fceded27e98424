"""`POST /api/v1/failures/{id}/steps`: snooze, reopen, resolve or note a failure."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends
from pydantic import Field, StringConstraints
from sqlalchemy import Connection

from service.store import tables
from service.store.failures import get_failure
from service.store.handling import add_note, reopen, resolve, snooze
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis
from service.web.access import Caller, needs
from service.web.api_analyses import stale_problem
from service.web.api_failures import no_failure
from service.web.problems import ProblemError, responses
from service.web.schema import NO_NUL, Activity, Failure, Handled, Input, Moment, Paragraphs, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/failures", tags=["failures"])


class _Step(Input):
    expected_version: int = Field(ge=0, le=2**31 - 1, description="`version` of the failure that the caller saw.")
    note: Paragraphs | None = None


class Snooze(_Step):
    """Keep it out of the queue until `until`, or its next event, or whichever is first."""

    step: Literal["snooze"]
    until: Moment | None = None
    wake_on_event: bool = True


class Reopen(_Step):
    """Put it back into the queue: a verdict, a snooze or a resolution ends."""

    step: Literal["reopen"]


class Resolve(_Step):
    """The cause is gone. An event after that brings it back, marked."""

    step: Literal["resolve"]


class Note(Input):
    """Words for the history."""

    step: Literal["note"]
    note: Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=NO_NUL)]


StepRequest = Annotated[Snooze | Reopen | Resolve | Note, Body(discriminator="step")]


@router.post("/{failure_id}/steps", status_code=201, responses=responses(400, 401, 403, 404, 409, 413, 422))
def post_step(
    failure_id: PathId,
    body: StepRequest,
    caller: Annotated[Caller, needs("review")],
    services: Annotated[Services, Depends(services_of)],
) -> Handled:
    """Snooze, reopen, resolve or note a failure.

    409 when somebody else decided, or another answer arrived, since the caller looked, as with a review.
    """
    with services.engine.begin() as conn:
        try:
            made = _act(conn, failure_id, caller.name, body)
        except StaleAnalysis as error:
            raise stale_problem(error, getattr(body, "expected_version", 0)) from None
        except NoSuchAnalysis:
            raise no_failure() from None
        except InvalidReview as error:
            raise ProblemError(409, "step-refused", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
        failure = get_failure(conn, failure_id)
    return Handled(activity=Activity.model_validate(made), failure=Failure.model_validate(failure))


def _act(conn: Connection, failure_id: str, who: str, body: Snooze | Reopen | Resolve | Note) -> tables.Activity:
    if isinstance(body, Note):
        return add_note(conn, failure_id, who, body.note)
    if isinstance(body, Snooze):
        return snooze(
            conn,
            failure_id,
            who,
            expected_version=body.expected_version,
            until=body.until,
            wake_on_event=body.wake_on_event,
            note=body.note,
        )
    act = reopen if isinstance(body, Reopen) else resolve
    return act(conn, failure_id, who, expected_version=body.expected_version, note=body.note)
