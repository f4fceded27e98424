"""Clouds are asked as this machine where a connection gives no credentials, and nobody but the vendor sees that."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from aws_signed import aws_demands
from vendor_api import Answer, Asked, Vendor, needs, vendor_api

from connectors.pull import PullLater, PullRefused, PullRequest
from service.worker import cloud_proof
from service.worker.cloud_proof import prove
from service.worker.exchange import Proof

SECRET, TOKEN = "an-aws-secret-for-tests", "a-token-of-this-machine"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_api() as running:
        yield running


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without any identity."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    forget()
    yield
    forget()


def forget() -> None:
    for remembered in (cloud_proof._aws_session, cloud_proof._google_credentials, cloud_proof._azure_credential):
        remembered.cache_clear()


def proven(kind: str, url: str, settings: Mapping[str, str] | None = None, **more: str) -> Proof:
    request = PullRequest(url, "POST", {"X-Amz-Target": "Logs"}, proof=kind)
    return asyncio.run(prove(request, {**(settings or {}), **more}))


def test_a_role_of_this_container_signs_for_aws(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    until = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    role = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": SECRET, "Token": "a-session", "Expiration": until}
    vendor.route("GET", "/role", needs({"authorization": "let-me-in"}, Answer(role)))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{vendor.url}/role")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let-me-in")
    for _ in range(2):
        headers = dict(proven("aws:logs:eu-central-1", "https://logs.eu-central-1.amazonaws.com/").headers)
    sent = {name.lower(): value for name, value in headers.items()}
    sent |= {"host": "logs.eu-central-1.amazonaws.com", "x-amz-target": "Logs"}
    assert sent["x-amz-security-token"] == "a-session"
    assert aws_demands(Asked("POST", "/", {}, sent, b""), SECRET) is None
    assert vendor.paths() == ["/role"]  # it is remembered until it expires


def test_a_workload_identity_gets_a_token_of_google(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def exchange(asked: Asked) -> Answer:
        told = dict(parse_qsl(asked.body.decode()))
        is_right = told["subject_token"] == "the-pod" and "cloud-platform.read-only" in told["scope"]
        token = {"access_token": TOKEN, "issued_token_type": "x", "token_type": "Bearer", "expires_in": 3600}
        return Answer(token if is_right else {"error": "invalid_grant"}, 200 if is_right else 400)

    vendor.route("POST", "/token", exchange)
    (tmp_path / "subject").write_text("the-pod")
    account = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{vendor.url}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    (tmp_path / "adc.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-prod")
    for _ in range(2):
        proof = proven("google:https://logging.googleapis.com/", "https://logging.googleapis.com/v2/entries:list")
    assert proof.headers == {"Authorization": f"Bearer {TOKEN}"}
    assert vendor.paths() == ["/token"]


def test_a_managed_identity_gets_a_token_of_azure(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    until = int(datetime.now(UTC).timestamp()) + 3600
    token = {"access_token": TOKEN, "expires_on": str(until), "resource": "x", "token_type": "Bearer"}
    vendor.route("GET", "/msi", needs({"x-identity-header": "let-me-in"}, Answer(token)))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{vendor.url}/msi")
    monkeypatch.setenv("IDENTITY_HEADER", "let-me-in")
    url = "https://api.loganalytics.io/v1/workspaces/w/query"
    proof = proven("azure:https://api.loganalytics.io/.default", url, client_id="the-one")
    assert proof.headers == {"Authorization": f"Bearer {TOKEN}"}
    (asked,) = vendor.asked
    assert (asked.query["resource"], asked.query["client_id"]) == ("https://api.loganalytics.io", "the-one")


def test_a_pod_shows_its_service_account_and_trusts_its_own_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kubernetes.config import incluster_config  # noqa: PLC0415 - it takes a second

    for name, content in (("token", TOKEN), ("cert", "-----BEGIN CERTIFICATE-----")):
        (tmp_path / name).write_text(content)
        monkeypatch.setattr(incluster_config, f"SERVICE_{name.upper()}_FILENAME", str(tmp_path / name))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    proof = proven("kubernetes", "https://kubernetes.default.svc/api/v1/events")
    assert proof.headers["Authorization"].lower() == f"bearer {TOKEN}"
    assert proof.authority == "-----BEGIN CERTIFICATE-----"


HOMES = {
    "google:https://logging.googleapis.com/": ("https://logging.googleapis.com/", "service_account", "google"),
    "azure:https://api.loganalytics.io/.default": ("https://api.loganalytics.io/", "client_secret", "azure"),
    "kubernetes": ("https://kubernetes.default.svc/", "token", "kubernetes"),
    "aws:logs:eu-central-1": ("https://logs.eu-central-1.amazonaws.com/", "access_key_id", "aws"),
}


@pytest.mark.parametrize("kind", [kind for kind in HOMES if not kind.startswith("aws")])
def test_the_identity_of_this_machine_is_shown_to_the_vendor_alone(kind: str) -> None:
    home, setting, _ = HOMES[kind]
    for host in ("files.example", f"{home[8:-1]}.files.example", "logging.googleapis.com@files.example"):
        with pytest.raises(PullRefused, match=f"is not shown to files.example|not shown to .*: set {setting}"):
            proven(kind, f"https://{host}/")


@pytest.mark.parametrize("kind", HOMES)
def test_a_machine_without_an_identity_is_told_what_to_set(kind: str) -> None:
    home, setting, _ = HOMES[kind]
    with pytest.raises((PullRefused, PullLater), match=f"{setting}|no token"):
        proven(kind, home)


@pytest.mark.parametrize("kind", HOMES)
def test_a_missing_package_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _, extra = HOMES[kind]
    for module in ("botocore.auth", "google.auth.jwt", "azure.identity", "kubernetes.client"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PullRefused, match=rf"install whydenied\[{extra}\]"):
        proven(kind, home)
