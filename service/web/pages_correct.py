"""Correct an answer: every field of it in a form; what was typed is kept until it is a valid answer."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from service.domain import ArtifactKind, Cause, Confidence, Verdict, abstain
from service.store.reviews import NoSuchAnalysis, StaleAnalysis
from service.web.correction import InvalidCorrection, artifact_count, form_of, read_form
from service.web.decisions import decide, open_next, read_note, read_seen
from service.web.failure_view import FailureView
from service.web.highlight import mark_invisible
from service.web.pages import account_name, form_fields, query_string, show_twinned, twinned
from service.web.pages_failure import load_view, no_such_failure
from service.web.pages_review import damaged_form
from service.web.queue_filter import read_filter
from service.web.services import Services, services_of
from service.web.words import ARTIFACTS, cause_words

router = APIRouter(include_in_schema=False)
_Services = Annotated[Services, Depends(services_of)]
_BLANK = abstain("", "")
_STALE = (
    "Somebody decided on this failure, or it got another answer, while you were writing. Your text is kept below. "
    "Look at the failure as it is now; saving again replaces that."
)
_CHOICES = {
    "verdicts": [(verdict, verdict) for verdict in Verdict],
    "causes": [("", "none"), *((cause, cause_words(cause)) for cause in Cause)],
    "confidences": [(confidence, confidence) for confidence in Confidence],
    "kinds": [(kind, ARTIFACTS[kind][0]) for kind in ArtifactKind],
}


@twinned(router, "/failures/{failure_id}/correct")
def correction_form(request: Request, services: _Services, failure_id: str) -> Response:
    """The form, filled with the answer as it is."""
    view = _load(services, failure_id)
    if view is None:
        return no_such_failure(request)
    fields = form_of(view.answer) if view.answer else form_of(_BLANK) | {"title": "", "explanation": ""}
    return _page(request, view, fields)


@router.post("/failures/{failure_id}/correct")
def correct_failure(
    request: Request, services: _Services, failure_id: str, fields: Annotated[dict[str, str], Depends(form_fields)]
) -> Response:
    """Store the correction and open the next item; else the form again, with what is to mend."""
    view, seen = _load(services, failure_id), read_seen(failure_id, fields)
    if view is None:
        return no_such_failure(request)
    if seen is None:
        return damaged_form(request)
    reviewer = account_name(request) or "unknown"
    try:
        corrected = read_form(
            _answer_fields(fields),
            view.answer or _BLANK,
            text=view.text,
            reviewer=reviewer,
            analysis_id=seen.analysis_id,
        )
        decide(services, seen, reviewer, "correct", note=read_note(fields), corrected=corrected)
    except InvalidCorrection as invalid:
        return _page(
            request, view, fields, status=422, errors=invalid.errors, version=seen.version, analysis_id=seen.analysis_id
        )
    except StaleAnalysis:
        return _page(request, view, fields, status=409, stale=_STALE)
    except NoSuchAnalysis:
        return no_such_failure(request)
    return open_next(request, services, failure_id, "correct")


@router.post("/failures/{failure_id}/correct/check")
def check_correction(
    request: Request, services: _Services, failure_id: str, fields: Annotated[dict[str, str], Depends(form_fields)]
) -> Response:
    """What is to mend in a correction that is still being written: a message for each field. Stores nothing."""
    view = _load(services, failure_id)
    if view is None:
        return no_such_failure(request)
    errors: Mapping[str, str] = {}
    try:
        read_form(_answer_fields(fields), view.answer or _BLANK, text=view.text, reviewer="", analysis_id="")
    except InvalidCorrection as invalid:
        errors = {field: mark_invisible(message) for field, message in invalid.errors.items()}
    return JSONResponse(errors)


def _load(services: Services, failure_id: str) -> FailureView | None:
    with services.engine.connect() as conn:
        return load_view(conn, services, failure_id)


def _answer_fields(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in {"version", "analysis", "note"}}


def _page(
    request: Request, view: FailureView, fields: Mapping[str, str], *, status: int = 200, **values: Any
) -> Response:
    shown = {"errors": {}, "stale": None, "version": view.version, "analysis_id": view.analysis_id or "", **values}
    return show_twinned(
        request,
        "correct.html",
        {"failure_id": view.id, "version": view.version, "fields": fields},
        status=status,
        section="/",
        view=view,
        fields=dict(fields),
        artifact_count=artifact_count(fields),
        queue_query=query_string(read_filter(request.query_params).parameters()),
        **_CHOICES,
        **shown,
    )
