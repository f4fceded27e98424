"""`/explain`: paste an error text, read the answer. Nothing is stored."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from service.web.highlight import highlight_part
from service.web.pages import form_fields, show

router = APIRouter(include_in_schema=False)
MAX_TEXT = 100_000


@router.get("/explain")
def explain_form(request: Request) -> HTMLResponse:
    """The empty paste box."""
    return _page(request, {})


@router.post("/explain")
def explain_text(request: Request, fields: Annotated[dict[str, str], Depends(form_fields)]) -> HTMLResponse:
    """The answer to the pasted text, or what is wrong with the input."""
    text = fields.get("text", "").replace("\r\n", "\n")
    context, error = read_context(fields.get("context", ""))
    errors = {"context": error} if error else {}
    if not text.strip():
        errors["text"] = "Paste the error as it was logged."
    elif len(text) > MAX_TEXT:
        errors["text"] = f"The text is longer than {MAX_TEXT:,} characters; the part around the error is enough."
    if errors:
        return _page(request, fields, errors=errors, status=422)
    pipeline = request.app.state.services.pipeline
    clean = pipeline.clean(text)
    answer = pipeline.explain(clean, context)
    known = answer.produced_by.kind == "rule"
    return _page(request, fields, answer=answer, known_rule=known, text_segments=highlight_part(clean, answer.evidence))


def read_context(source: str) -> tuple[dict[str, Any], str | None]:
    """The context that a JSON object gives, and what is wrong with it."""
    if not source.strip():
        return {}, None
    try:
        context = json.loads(source)
    except (ValueError, RecursionError) as error:
        return {}, f"Not JSON: {error}."
    if not isinstance(context, dict):
        return {}, 'The context is a JSON object, such as {"http_status": 403}.'
    wrong = next((name for name, value in context.items() if not isinstance(value, str | int | float | bool)), None)
    if wrong is not None:
        return {}, f"The value of {wrong[:60]} must be text, a number, true or false."
    return context, None


def _page(request: Request, fields: dict[str, str], *, status: int = 200, **values: Any) -> HTMLResponse:
    shown = {"fields": fields, "errors": {}, "answer": None, "known_rule": False, "text_segments": ()} | values
    return show(request, "explain.html", status=status, section="/explain", **shown)
