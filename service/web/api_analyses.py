"""`/api/v1/analyses`: proposed answers, and the review of each."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.domain import Answer
from service.proof.checker import prove_answer
from service.store import tables
from service.store.analyses import get_analysis
from service.store.failures import get_failure
from service.store.reviews import InvalidReview, NoSuchAnalysis, StaleAnalysis, review
from service.web.access import Caller, needs
from service.web.problems import ProblemError, responses
from service.web.review_schema import Correct, Reject, ReviewRequest, corrected_answer
from service.web.schema import Analysis, Failure, PathId, Review, Reviewed
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/analyses", tags=["analyses"])
_Services = Annotated[Services, Depends(services_of)]


@router.get("/{analysis_id}", dependencies=[needs("read")], responses=responses(401, 403, 404, 422))
def get_one_analysis(analysis_id: PathId, services: _Services) -> Analysis:
    """One answer, current or not."""
    with services.engine.connect() as conn:
        found = get_analysis(conn, analysis_id)
    if found is None:
        raise _no_analysis()
    return analysis_of(found)


@router.post("/{analysis_id}/review", status_code=201, responses=responses(400, 401, 403, 404, 409, 413, 422))
def post_review(
    analysis_id: PathId, body: ReviewRequest, caller: Annotated[Caller, needs("review")], services: _Services
) -> Reviewed:
    """Approve, correct or reject the current answer of a failure.

    409 when somebody else decided, or another answer arrived, since the reviewer looked: the problem then has
    `expected_version`, `current_version` and the `failure` as it is now.
    """
    with services.engine.begin() as conn:
        original = get_analysis(conn, analysis_id)
        if original is None:
            raise _no_analysis()
        corrected = None
        if isinstance(body, Correct):
            corrected = corrected_answer(body.corrected, Answer.model_validate(original.answer), caller.name)
            _require_proof(corrected)
        try:
            made = review(
                conn,
                analysis_id,
                caller.name,
                body.decision,
                expected_version=body.expected_version,
                reason=body.reason if isinstance(body, Reject) else None,
                note=body.note,
                corrected=corrected,
            )
        except StaleAnalysis as error:
            raise stale_problem(error, body.expected_version) from None
        except NoSuchAnalysis:
            raise _no_analysis() from None
        except InvalidReview as error:
            raise ProblemError(422, "invalid-review", str(error)) from None
        failure = get_failure(conn, made.failure_id)
    return Reviewed(review=Review.model_validate(made), failure=Failure.model_validate(failure))


def analysis_of(stored: tables.Analysis) -> Analysis:
    """A stored analysis as the API shows it."""
    return Analysis(
        **stored.answer, failure_id=stored.failure_id, event_id=stored.event_id, created_at=stored.created_at
    )


def _require_proof(corrected: Answer) -> None:
    """Refuse a correction whose changes miss what was denied, or allow more, by their checkers."""
    artifacts = corrected.fix.artifacts if corrected.fix else ()
    for artifact, proof in zip(artifacts, prove_answer(corrected), strict=True):
        if proof.faults:
            raise ProblemError(422, "invalid-review", f"the change {artifact.title!r} {'; '.join(proof.faults)}")


def _no_analysis() -> ProblemError:
    return ProblemError(404, "no-such-analysis", "There is no analysis of this id.")


def stale_problem(error: StaleAnalysis, expected_version: int) -> ProblemError:
    """409 with the failure as it is now."""
    return ProblemError(
        409,
        "stale-analysis",
        "Somebody decided on this failure, or it got another answer, since you looked. Look again, then decide.",
        expected_version=expected_version,
        current_version=error.current.version,
        failure=Failure.model_validate(error.current).model_dump(mode="json"),
    )
