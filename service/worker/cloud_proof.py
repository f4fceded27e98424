"""Proves us to clouds with their own packages, which are optional and imported only here, when used.

A connection gives credentials of its own, or this machine's identity stands for us: a role, a managed or workload
identity, a service account. That one is shown to the vendor alone, whatever address the connection names.
"""

import asyncio
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from connectors.pull import LOOPBACK, PullLater, PullRefused, PullRequest, Settings, host_of
from service.worker.exchange import Proof

_MISSING = "this pull needs the optional package {}: install whydenied[{}]"
_READ_GOOGLE = "https://www.googleapis.com/auth/cloud-platform.read-only"
_GOOGLE = ("googleapis.com",)
_AZURE = ("loganalytics.io", "loganalytics.us", "loganalytics.azure.cn", "monitor.azure.com")
_KUBERNETES = ("kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


async def prove(request: PullRequest, settings: Settings) -> Proof:
    """What proves us, as `request.proof` asks for. Raises `PullRefused` saying what is missing, or `PullLater`."""
    kind, _, told = (request.proof or "").partition(":")
    provers = {"aws": _for_aws, "google": _for_google, "azure": _for_azure, "kubernetes": _for_kubernetes}
    if kind not in provers:
        raise PullRefused(f"nothing here can prove us by {kind!r}")
    return await asyncio.to_thread(provers[kind], request, settings, told)


def _for_aws(request: PullRequest, settings: Settings, told: str) -> Proof:
    """Signature version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""
    try:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - optional
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - optional
        from botocore.credentials import Credentials  # noqa: PLC0415 - optional
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("botocore", "aws")) from None
    service, _, region = told.partition(":")
    if settings.get("access_key_id"):
        known = Credentials(
            settings["access_key_id"], settings.get("secret_access_key", ""), settings.get("session_token") or None
        )
    else:
        try:
            found = _aws_session().get_credentials()
            known = found.get_frozen_credentials() if found else None
        except BotoCoreError as error:
            raise PullLater(f"this machine's AWS role gives no credentials ({type(error).__name__})") from None
    if known is None:
        raise PullRefused("no AWS credentials: set access_key_id and secret_access_key, or give this machine a role")
    url = f"{request.url}?{urlencode(request.query)}" if request.query else request.url
    asked = AWSRequest(request.method, url, headers=dict(request.headers), data=request.body)
    SigV4Auth(known, service, region).add_auth(asked)
    return Proof({name: value for name, value in asked.headers.items() if name not in request.headers})


@cache
def _aws_session() -> Any:
    """One for the process: it remembers a role's credentials until they expire."""
    from botocore.session import get_session  # noqa: PLC0415 - optional

    return get_session()


def _for_google(request: PullRequest, settings: Settings, audience: str) -> Proof:
    """A token that the service account signs itself (https://google.aip.dev/auth/4111), or this machine's own."""
    try:
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - optional
        from google.auth.jwt import Credentials  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("google-auth", "google")) from None
    if not settings.get("service_account"):
        _check_is(request, _GOOGLE, "service_account")
        return _bearer(_google_token())
    try:
        build: Callable[..., Any] = Credentials.from_service_account_info
        known = build(json.loads(settings["service_account"]), audience=audience)
        known.refresh(None)
    except (ValueError, KeyError, TypeError, GoogleAuthError) as error:
        told = f"service_account is no key file of a Google service account ({type(error).__name__})"
        raise PullRefused(told) from None
    return _bearer(known.token.decode())


def _google_token() -> str:
    """Of the Application Default Credentials: https://google.aip.dev/auth/4110"""
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415 - optional

    try:
        from google.auth.transport.requests import Request  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("google-auth[requests]", "google")) from None
    refresh: Callable[[], Any] = Request
    try:
        known = _google_credentials()
        if not known.valid:
            known.refresh(refresh())
    except DefaultCredentialsError:
        raise PullRefused(
            "no Google credentials: set service_account, or give this machine Application Default Credentials"
        ) from None
    except GoogleAuthError as error:
        raise PullLater(f"this machine's Google identity gives no token ({type(error).__name__})") from None
    return str(known.token)


@cache
def _google_credentials() -> Any:
    import google.auth  # noqa: PLC0415 - optional

    find: Callable[..., Any] = google.auth.default
    return find(scopes=[_READ_GOOGLE])[0]


def _for_azure(request: PullRequest, settings: Settings, scope: str) -> Proof:
    """A token of this machine's identity: https://aka.ms/azsdk/python/identity/credential-chains"""
    try:
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - optional
        from azure.identity import CredentialUnavailableError  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("azure-identity", "azure")) from None
    _check_is(request, _AZURE, "client_secret")
    try:
        return _bearer(_azure_credential(settings.get("client_id") or None).get_token(scope).token)
    except CredentialUnavailableError:
        raise PullRefused(
            "no Azure credentials: set tenant, client_id and client_secret, or give this machine an identity"
        ) from None
    except ClientAuthenticationError as error:
        raise PullRefused(f"this machine's Azure identity gets no token ({type(error).__name__})") from None


@cache
def _azure_credential(client_id: str | None) -> Any:
    """Remembers its tokens. The credentials of developers are left out: they belong to a person, and start programs."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - optional

    chosen = {"managed_identity_client_id": client_id, "workload_identity_client_id": client_id} if client_id else {}
    developers = ("cli", "developer_cli", "powershell", "visual_studio_code", "shared_token_cache", "broker")
    left_out = {f"exclude_{name}_credential": True for name in developers}
    return DefaultAzureCredential(**chosen, **left_out)


def _for_kubernetes(request: PullRequest, settings: Settings, _: str) -> Proof:
    """A given token, or this pod's service account: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""
    if settings.get("token"):
        return _bearer(settings["token"], settings.get("ca_certificate"))
    _check_is(request, _KUBERNETES, "token")
    try:
        from kubernetes.client import Configuration  # noqa: PLC0415 - optional
        from kubernetes.config import ConfigException, load_incluster_config  # noqa: PLC0415 - optional
    except ImportError:
        raise PullRefused(_MISSING.format("kubernetes", "kubernetes")) from None
    load: Callable[[Configuration], None] = load_incluster_config
    found = Configuration()
    try:
        load(found)
        authority = Path(found.ssl_ca_cert or "").read_text(encoding="ascii")
    except (ConfigException, OSError, UnicodeDecodeError):
        raise PullRefused("this is no pod with a service account: set url, token and ca_certificate") from None
    return Proof({"Authorization": found.get_api_key_with_prefix("BearerToken") or ""}, authority)


def _bearer(token: str, authority: str | None = None) -> Proof:
    return Proof({"Authorization": f"Bearer {token}"}, authority)


def _check_is(request: PullRequest, vendor: tuple[str, ...], setting: str) -> None:
    """Refuse to show this machine's identity to anybody but the vendor."""
    host = host_of(request)
    if host not in LOOPBACK and not any(host == one or host.endswith(f".{one}") for one in vendor):
        raise PullRefused(f"this machine's own identity is not shown to {host}: set {setting}, or leave url out")
