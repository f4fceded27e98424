"""Proves us to clouds with their own packages, which are optional and imported only here, when used."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.pull import PullRefused, PullRequest, Settings

_MISSING = "this pull needs the optional package {}: install whydenied[{}]"


async def prove(request: PullRequest, settings: Settings) -> Mapping[str, str]:
    """The headers that prove us, as `request.proof` asks for. Raises `PullRefused` saying what is missing."""
    kind, _, told = (request.proof or "").partition(":")
    if kind == "aws":
        service, _, region = told.partition(":")
        return await asyncio.to_thread(_sign_for_aws, request, settings, service, region)
    if kind == "google":
        return await asyncio.to_thread(_sign_for_google, settings, told)
    raise PullRefused(f"nothing here can prove us by {kind!r}")


def _sign_for_aws(request: PullRequest, settings: Settings, service: str, region: str) -> Mapping[str, str]:
    """Signature version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""
    try:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - optional
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - optional
        from botocore.credentials import Credentials  # noqa: PLC0415 - optional
        from botocore.session import get_session  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("boto3", "aws")) from None
    if settings.get("access_key_id"):
        known = Credentials(
            settings["access_key_id"], settings.get("secret_access_key", ""), settings.get("session_token") or None
        )
    elif (found := get_session().get_credentials()) is not None:
        known = found
    else:
        raise PullRefused("no AWS credentials: set access_key_id and secret_access_key, or give this machine a role")
    url = f"{request.url}?{urlencode(request.query)}" if request.query else request.url
    asked = AWSRequest(request.method, url, headers=dict(request.headers), data=request.body)
    SigV4Auth(known, service, region).add_auth(asked)
    return {name: value for name, value in asked.headers.items() if name not in request.headers}


def _sign_for_google(settings: Settings, audience: str) -> Mapping[str, str]:
    """A token that the service account signs itself: https://google.aip.dev/auth/4111"""
    try:
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - optional
        from google.auth.jwt import Credentials  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("google-auth", "google")) from None
    try:
        build: Callable[..., Any] = Credentials.from_service_account_info
        known = build(json.loads(settings["service_account"]), audience=audience)
        known.refresh(None)
    except (ValueError, KeyError, TypeError, GoogleAuthError) as error:
        told = f"service_account is no key file of a Google service account ({type(error).__name__})"
        raise PullRefused(told) from None
    return {"Authorization": f"Bearer {known.token.decode()}"}
