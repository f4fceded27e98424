"""`/login/oidc`: sign in with the OpenID Connect provider, by authorization code with PKCE.

What a sign-in needs when its browser comes back is kept in an encrypted cookie of that browser, so any process can go
on with it, and no other browser can.
"""

import base64
import json
import secrets
import time
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from service.keyring import Keyring, WrongKey
from service.store.identities import NotAdmitted, Person
from service.web.oidc_claims import SignInFailed, read_person
from service.web.oidc_provider import CALLBACK, Provider
from service.web.pages_sign_in import login_page
from service.web.problems import ProblemError
from service.web.services import Services, services_of
from service.web.sign_in import SignInRefused, browser_of, local_path

router = APIRouter(include_in_schema=False)
FOR_EVERYBODY = True
_Services = Annotated[Services, Depends(services_of)]
_MINUTES = 10
_ELSEWHERE = "This sign-in did not begin in this browser, or took too long. Start again."


def _provider(services: _Services) -> Provider:
    if services.provider is None:
        raise ProblemError(404, "not-found", "Here people sign in with a password.")
    return services.provider


_Provider = Annotated[Provider, Depends(_provider)]


@router.get("/login/oidc")
async def begin(request: Request, services: _Services, provider: _Provider, next: str = "/") -> Response:  # noqa: A002
    """Send the browser to the provider."""
    kept = {"for": "oidc", "state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24)}
    kept |= {"verifier": secrets.token_urlsafe(48), "next": local_path(next)}
    digest = sha256(kept["verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    try:
        services.sign_in.check_brake(request)
        url = await provider.authorization_url(state=kept["state"], nonce=kept["nonce"], challenge=challenge)
    except (SignInFailed, SignInRefused) as error:
        return await _failed(request, services, error, kept["next"])
    response = RedirectResponse(url, 303)
    sealed = services.keyring.encrypt(json.dumps(kept | {"until": time.time() + 60 * _MINUTES}).encode())
    services.sign_in.put_cookie(response, "sign-in", sealed, 60 * _MINUTES)
    return response


@router.get(CALLBACK)
async def finish(request: Request, services: _Services, provider: _Provider) -> Response:
    """The browser is back: check what it brings, find out who it is, and sign him in."""
    kept = _kept(request.cookies.get(services.sign_in.cookie_named("sign-in"), ""), services.keyring)
    target = str(kept.get("next", "/"))
    try:
        services.sign_in.check_brake(request)
        person = await _prove(request, provider, kept)
        issuer = provider.client.issuer
        token = await run_in_threadpool(services.sign_in.let_in, person, browser_of(request), issuer)
    except (SignInFailed, SignInRefused, NotAdmitted) as error:
        response = await _failed(request, services, error, target)
    else:
        response = RedirectResponse(target, 303)
        services.sign_in.remember(response, token)
    services.sign_in.drop_cookie(response, "sign-in")
    return response


@router.get("/login/oidc/out")
async def sign_out(provider: _Provider) -> Response:
    """Go on to end the session at the provider, where it offers that."""
    return RedirectResponse(await provider.sign_out_url() or "/login", 303)


async def _prove(request: Request, provider: Provider, kept: dict[str, Any]) -> Person:
    query = request.query_params
    if not kept or not secrets.compare_digest(query.get("state", "").encode(), kept["state"].encode()):
        raise SignInFailed(_ELSEWHERE, status=400, reason="the state is not this browser's")
    if "code" not in query:
        reason = f"the provider answered {query.get('error', 'no code')[:60]}"
        raise SignInFailed(f"{provider.client.name} did not sign you in. Start again.", status=403, reason=reason)
    claims = await provider.sign_in(
        code=query["code"], verifier=kept["verifier"], nonce=kept["nonce"], issuer=query.get("iss")
    )
    return read_person(claims, provider.client.issuer, provider.client.admission)


def _kept(sealed: str, keyring: Keyring) -> dict[str, Any]:
    """What `begin` kept; nothing when it is not ours, or too old."""
    try:
        kept = json.loads(keyring.decrypt(sealed))
    except (WrongKey, ValueError):
        return {}
    is_ours = isinstance(kept, dict) and kept.get("for") == "oidc" and kept.get("until", 0) > time.time()
    return kept if is_ours else {}


async def _failed(request: Request, services: Services, error: Exception, target: str) -> Response:
    services.sign_in.note_refusal(request, getattr(error, "reason", str(error)))
    status = error.status if isinstance(error, SignInFailed) else 403
    wait = getattr(error, "retry_after", 0)
    page = await run_in_threadpool(login_page, request, services, str(error), target, 429 if wait else status)
    if wait:
        page.headers["Retry-After"] = str(wait)
    return page
