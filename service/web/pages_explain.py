"""`/explain`: paste an error text, read the answer. Nothing is stored."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.match.matcher import Matcher
from service.match.why import NearMiss, explain_miss, nearest_by_words
from service.web.highlight import highlight_part, name_quotes
from service.web.pages import form_fields, query_string, show_twinned, twinned

router = APIRouter(include_in_schema=False)
MAX_TEXT, LONGEST_LINK = 100_000, 4_000
_LOOKED_AT, _NEAREST = 4_000, 5
_FIELDS = ("text", "context", "near")
_BLANK: dict[str, Any] = {
    "errors": {},
    "answer": None,
    "known_rule": False,
    "text_segments": (),
    "misses": None,
    "link": None,
}


@twinned(router, "/explain")
def explain_form(request: Request) -> Response:
    """The paste box; with `text` in the address, and perhaps `context` and `near`, the answer to it."""
    fields = {name: value.replace("\x00", "") for name, value in request.query_params.items() if name in _FIELDS}
    return _explained(request, fields) if "text" in fields else _page(request, {})


@router.post("/explain")
def explain_text(request: Request, fields: Annotated[dict[str, str], Depends(form_fields)]) -> Response:
    """The answer to the pasted text, or what is wrong with the input."""
    return _explained(request, fields)


def _explained(request: Request, fields: Mapping[str, str]) -> Response:
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
    by = answer.produced_by
    link = {"text": clean, "context": json.dumps(context) if context else ""}
    return _page(
        request,
        fields,
        answer=answer,
        known_rule=by.kind == "rule",
        text_segments=highlight_part(clean, name_quotes(answer)),
        misses=list_misses(pipeline.matcher, clean, context) if fields.get("near") else None,
        link=f"/explain{query_string(link)}" if len(clean) <= LONGEST_LINK else None,
    )


def list_misses(matcher: Matcher, text: str, context: Mapping[str, Any]) -> list[NearMiss]:
    """The rules that come closest to the start of a text without answering it, the closest first."""
    start = text[:_LOOKED_AT]
    winner = matcher.match(text, context)
    others = [ready for ready in matcher.rules.values() if winner is None or ready.rule.id != winner.ready.rule.id]
    misses = [explain_miss(ready, start, context) for ready in nearest_by_words(others, start, _NEAREST)]
    return sorted(misses, key=lambda miss: -miss.share)


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


def _page(request: Request, fields: Mapping[str, str], *, status: int = 200, **values: Any) -> Response:
    shown = _BLANK | {"fields": fields} | values
    twin = {name: shown[name] for name in ("answer", "errors", "misses")}
    return show_twinned(request, "explain.html", twin, status=status, section="/explain", **shown)
