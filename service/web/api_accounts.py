"""`/api/v1/accounts`: the people who may sign in."""

import secrets
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import AfterValidator, Field, StrictBool, WithJsonSchema
from sqlalchemy import Connection

from service.store import access
from service.store.access_tables import Account
from service.store.activity import note_activity
from service.store.sessions import Member, list_members, revoke_sessions
from service.web.access import Caller, needs
from service.web.passwords import hash_password
from service.web.problems import ProblemError, responses
from service.web.schema import Input, Output, PathId
from service.web.services import Services, services_of

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])
_Services = Annotated[Services, Depends(services_of)]
_Admin = Annotated[Caller, needs("admin")]
Role = Literal["viewer", "reviewer", "admin"]


def _checked(email: str) -> str:
    trimmed = email.removesuffix("\n")  # which the `$` of some languages lets pass
    if access.is_email(trimmed):
        return trimmed
    raise ValueError("this is no e-mail address")


_Email = Annotated[str, AfterValidator(_checked), WithJsonSchema({"type": "string", "pattern": f"^{access.EMAIL}$"})]


class AccountRequest(Input):
    """An account to make."""

    email: _Email = Field(description="What the person signs in with.")
    role: Role = "reviewer"


class AccountChange(Input):
    """What is to change; what is left out stays."""

    role: Role | None = None
    disabled: StrictBool | None = Field(None, description="Whether the person is locked out; ends the sessions.")
    new_password: StrictBool = Field(False, description="Make a new password, which ends the sessions.")


class AccountView(Output):
    """One account."""

    id: str
    email: str
    role: Role
    disabled: bool
    created_at: datetime
    has_password: bool
    providers: tuple[str, ...] = Field(description="Issuers that vouch for the person.")
    last_seen_at: datetime | None = Field(description="As far as sessions are kept.")


class AccountSecret(AccountView):
    """An account after a change."""

    password: str | None = Field(description="The new password, shown this once; null where none was made.")


@router.get("", dependencies=[needs("admin")], responses=responses(401, 403))
def get_accounts(services: _Services) -> list[AccountView]:
    """All accounts by name, locked ones too."""
    with services.engine.connect() as conn:
        return [_view(one) for one in list_members(conn)]


@router.post("", status_code=201, responses=responses(400, 401, 403, 409, 413, 422))
def post_account(body: AccountRequest, caller: _Admin, services: _Services) -> AccountSecret:
    """Make an account, and a password for it."""
    password = secrets.token_urlsafe(15)
    hashed = hash_password(password)
    with services.engine.begin() as conn:
        try:
            made = access.create_account(conn, body.email, hashed, body.role)
        except access.NameTaken as error:
            raise ProblemError(409, "name-taken", f"{str(error).capitalize()}.") from None
        note_activity(conn, caller.name, "made the account", f"{made.username}: {made.role}")
        return _secret(conn, made.id, password)


@router.patch("/{account_id}", responses=responses(400, 401, 403, 404, 409, 413, 422))
def patch_account(account_id: PathId, body: AccountChange, caller: _Admin, services: _Services) -> AccountSecret:
    """Change a role, lock somebody out or let him in again, or make a new password. Somebody stays an admin."""
    password = secrets.token_urlsafe(15) if body.new_password else None
    hashed = hash_password(password) if password else None
    with services.engine.begin() as conn:
        account = _account(conn, account_id)
        try:
            access.change_account(conn, account_id, role=body.role, disabled=body.disabled, password_hash=hashed)
        except access.LastAdmin as error:
            raise ProblemError(409, "last-admin", f"{str(error).capitalize()}.") from None
        if deeds := _deeds(account, body):
            note_activity(conn, caller.name, "changed the account", f"{account.username}: {', '.join(deeds)}")
        return _secret(conn, account_id, password)


@router.delete("/{account_id}/sessions", status_code=204, responses=responses(401, 403, 404, 422))
def delete_account_sessions(account_id: PathId, caller: _Admin, services: _Services) -> Response:
    """Sign somebody out everywhere."""
    with services.engine.begin() as conn:
        account = _account(conn, account_id)
        if ended := revoke_sessions(conn, account_id):
            note_activity(conn, caller.name, "ended sessions", f"{account.username}: all {ended}")
    return Response(status_code=204)


def _deeds(account: Account, wanted: AccountChange) -> list[str]:
    deeds: list[str] = [wanted.role] if wanted.role and wanted.role != account.role else []
    if wanted.disabled is not None and wanted.disabled != account.disabled:
        deeds.append("locked out" if wanted.disabled else "let in again")
    return [*deeds, *(["new password"] if wanted.new_password else [])]


def _account(conn: Connection, account_id: str) -> Account:
    for account in access.list_accounts(conn):
        if account.id == account_id:
            return account
    raise ProblemError(404, "no-such-account", "There is no account of this id.")


def _secret(conn: Connection, account_id: str, password: str | None) -> AccountSecret:
    [member] = [one for one in list_members(conn) if one.account.id == account_id]
    return AccountSecret(**_view(member).model_dump(), password=password)


def _view(member: Member) -> AccountView:
    account = member.account
    return AccountView(
        id=account.id,
        email=account.username,
        role=account.role,
        disabled=account.disabled,
        created_at=account.created_at,
        has_password=bool(account.password_hash),
        providers=member.issuers,
        last_seen_at=member.last_seen_at,
    )
