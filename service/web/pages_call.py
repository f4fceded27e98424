"""`/calls/{id}`: what a model was asked, word for word, and what came of it."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.store.requests import get_asked, get_call
from service.web.highlight import highlight_part
from service.web.pages import show_error, show_twinned, twinned
from service.web.services import Services, services_of

router = APIRouter(include_in_schema=False)


@twinned(router, "/calls/{call_id}")
def show_call(request: Request, services: Annotated[Services, Depends(services_of)], call_id: str) -> Response:
    """One call. What was asked goes when the event does that it was asked about."""
    with services.engine.connect() as conn:
        call, asked = get_call(conn, call_id), get_asked(conn, call_id)
    if call is None:
        return show_error(request, 404, "No such call", "No model was asked under this id.")
    parts = [(word, highlight_part(text, ())) for word, text in asdict(asked).items()] if asked else []
    twin = asdict(call) | {"asked": asked}
    return show_twinned(request, "call.html", twin, section="/", call=call, parts=parts)
