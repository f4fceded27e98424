"""`/api/v1/api-keys`: the keys of programs."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field

from service.store import access
from service.store.activity import note_activity
from service.web.access import Caller, Scope, needs
from service.web.problems import ProblemError, responses
from service.web.schema import Input, Line, Output, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"])
_Services = Annotated[Services, Depends(services_of)]


class ApiKeyRequest(Input):
    """A key to make."""

    name: Line = Field(description="What it is for; reviews made with it carry this name.")
    scopes: list[Scope] = Field(min_length=1, description="`admin` includes the others.")
    days: int | None = Field(None, ge=1, le=3_650, description="Days until it ends. Default: it does not end.")


class ApiKeyView(Output):
    """A key without its secret; `prefix` is what it can be recognised by."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeyMade(ApiKeyView):
    """A key that was just made."""

    key: str = Field(description="Shown this once.")


@router.get("", dependencies=[needs("admin")], responses=responses(401, 403))
def get_api_keys(services: _Services) -> list[ApiKeyView]:
    """All keys, the newest first; revoked and expired ones are among them."""
    with services.engine.connect() as conn:
        return [ApiKeyView.model_validate(key) for key in access.list_api_keys(conn)]


@router.post("", status_code=201, responses=responses(400, 401, 403, 413, 422))
def post_api_key(body: ApiKeyRequest, caller: Annotated[Caller, needs("admin")], services: _Services) -> ApiKeyMade:
    """Make a key."""
    lifetime = timedelta(days=body.days) if body.days else None
    with services.engine.begin() as conn:
        made, token = access.create_api_key(conn, body.name, body.scopes, lifetime)
        note_activity(conn, caller.name, "made the API key", f"{made.name} ({made.prefix}): {', '.join(body.scopes)}")
    return ApiKeyMade(**ApiKeyView.model_validate(made).model_dump(), key=token)


@router.delete("/{key_id}", status_code=204, responses=responses(401, 403, 404, 422))
def delete_api_key(key_id: PathId, caller: Annotated[Caller, needs("admin")], services: _Services) -> Response:
    """Revoke a key at once."""
    with services.engine.begin() as conn:
        revoked = access.revoke_api_key(conn, key_id)
        if revoked:
            note_activity(conn, caller.name, "revoked the API key", key_id)
    if not revoked:
        raise ProblemError(404, "no-such-key", "There is no live key of this id.")
    return Response(status_code=204)
