"""`/api/v1/sessions`: who is signed in where."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field

from service.store.activity import note_activity
from service.store.sessions import list_sessions, revoke_session, revoke_sessions
from service.web.access import Caller, needs
from service.web.problems import ProblemError, responses
from service.web.schema import Output, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/sessions", tags=["accounts"])
_Services = Annotated[Services, Depends(services_of)]
_Caller = Annotated[Caller, needs("read")]


class SessionView(Output):
    """One signed-in browser."""

    id: str
    email: str
    current: bool = Field(description="Whether this very request came with it.")
    address: str | None = Field(description="Of the sign-in, as is the browser's name for itself.")
    user_agent: str | None
    provider: str | None = Field(description="The issuer that vouched for the person; null after a password.")
    created_at: datetime
    last_seen_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime


@router.get("", responses=responses(401, 403))
def get_sessions(caller: _Caller, services: _Services) -> list[SessionView]:
    """The caller's sessions that last; for admins everybody's."""
    return load_sessions(services, caller, everybody=caller.may("admin"))


@router.delete("/{session_id}", status_code=204, responses=responses(401, 403, 404, 422))
def delete_session(session_id: PathId, caller: _Caller, services: _Services) -> Response:
    """End one at once: of the caller, for admins anybody's."""
    with services.engine.begin() as conn:
        owner = revoke_session(conn, session_id, None if caller.may("admin") else caller.account_id or "nobody")
        if owner is not None:
            note_activity(conn, caller.name, "ended a session", f"{owner}: {session_id}")
    if owner is None:
        raise ProblemError(404, "no-such-session", "There is no session of this id, or it is over.")
    return Response(status_code=204)


def load_sessions(services: Services, caller: Caller, *, everybody: bool) -> list[SessionView]:
    """The sessions that last, of the caller or of everybody."""
    if not everybody and caller.account_id is None:
        return []
    with services.engine.connect() as conn:
        found = list_sessions(conn, None if everybody else caller.account_id)
    return [
        SessionView(
            id=one.session.id,
            email=one.username,
            current=one.session.id == caller.session_id,
            address=one.session.address,
            user_agent=one.session.user_agent,
            provider=one.session.issuer,
            created_at=one.session.created_at,
            last_seen_at=one.session.last_seen_at,
            expires_at=one.session.expires_at,
        )
        for one in found
    ]


def end_other_sessions(services: Services, caller: Caller) -> None:
    """End all sessions of the caller but the one that asks."""
    if caller.account_id is None:
        return
    with services.engine.begin() as conn:
        if ended := revoke_sessions(conn, caller.account_id, but=caller.session_id):
            note_activity(conn, caller.name, "ended sessions", f"{caller.name}: {ended} others")
