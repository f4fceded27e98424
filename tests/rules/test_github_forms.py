"""GitHub's refusals through the tools that print them: the permission must be the one that the endpoint wants."""

import json
from collections.abc import Callable

import pytest
from ruamel.yaml import YAML
from shipped_rules import MATCHER

from service.domain import Answer, Cause, Verdict


def explain(text: str) -> Answer:
    match = MATCHER.match(text, {})
    assert match is not None, f"no rule knows {text!r}"
    return match.answer("test")


ENDPOINTS = {
    "POST repos/acme/shop/issues/7/labels": "issues:write",
    "PATCH repos/acme/shop/pulls/7": "pull-requests:write",
    "PUT repos/acme/shop/contents/a.txt": "contents:write",
    "POST repos/acme/shop/releases": "contents:write",
    "POST repos/acme/shop/check-runs": "checks:write",
    "POST repos/acme/shop/statuses/0a1b2c": "statuses:write",
    "GET repos/acme/shop/commits/0a1b2c/check-runs": "checks:read",
    "POST repos/acme/shop/deployments": "deployments:write",
    "POST repos/acme/shop/actions/workflows/ci.yml/dispatches": "actions:write",
    "GET repos/acme/shop/actions/runs": "actions:read",
    "POST repos/acme/shop/pages/deployments": "pages:write",
    "POST repos/acme/shop/code-scanning/sarifs": "security-events:write",
    "PUT repos/acme/shop/actions/secrets/KEY": "secrets:write",
    "PUT repos/acme/shop/branches/main/protection": "administration:write",
}


def _octokit(method: str, url: str, words: str) -> str:
    return (
        f"RequestError [HttpError]: {words}\n    at /home/runner/work/_actions/x/index.js:1:1 {{\n  status: 403,\n"
        f"  response: {{\n    url: '{url}',\n    headers: {{ 'x-github-media-type': 'github.v3' }}\n  }},\n"
        f"  request: {{\n    method: '{method}',\n    url: '{url}',\n"
    )


def _go_github(method: str, url: str, words: str) -> str:
    return f"Error: {method} {url}: 403 {words} []"


def _json_log(method: str, url: str, words: str) -> str:
    return json.dumps(
        {"level": 50, "err": {"status": 403, "message": words, "request": {"method": method, "url": url}}}
    )


def _json_in_json(method: str, url: str, words: str) -> str:
    return json.dumps({"log": _json_log(method, url, words), "stream": "stderr"})


def _coloured(method: str, url: str, words: str) -> str:
    return f"\x1b[31m##[error]{method} {url} - 403 {words}\x1b[0m\r\n"


TOOLS = [_octokit, _go_github, _json_log, _json_in_json, _coloured]


@pytest.mark.parametrize(("endpoint", "permission"), ENDPOINTS.items())
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__.strip("_"))
def test_endpoint_tells_the_permission(tool: Callable[[str, str, str], str], endpoint: str, permission: str) -> None:
    method, path = endpoint.split()
    url = f"https://api.github.com/{path}"

    answer = explain(tool(method, url, "Resource not accessible by integration"))

    assert (answer.verdict, answer.cause) == (Verdict.PERMISSION, Cause.INSUFFICIENT_SCOPE)
    assert (answer.action, answer.resource) == (method, url)
    assert answer.missing_permissions == (permission,)


@pytest.mark.parametrize(
    ("text", "permissions"),
    [
        (
            "GraphQL: Resource not accessible by integration (createPullRequest)",
            {"contents": "read", "pull-requests": "write"},
        ),
        (
            "Resource not accessible by integration - https://docs.github.com/rest/git/refs#create-a-reference",
            {"contents": "write"},
        ),
        (
            (
                "'x-accepted-github-permissions': 'issues=write; pull_requests=write'\nResource not accessible by "
                "integration"
            ),
            {"contents": "read", "issues": "write"},
        ),
        ("Error: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable", {"contents": "read", "id-token": "write"}),
        ("denied: permission_denied: write_package", {"contents": "read", "packages": "write"}),
        ("remote: Permission to acme/shop.git denied to github-actions[bot].", {"contents": "write"}),
    ],
)
def test_permissions_block_has_the_one_key_and_keeps_checkout(text: str, permissions: dict[str, str]) -> None:
    answer = explain(text)
    assert answer.fix is not None
    (artifact,) = answer.fix.artifacts

    assert YAML(typ="safe").load(artifact.content) == {"permissions": permissions}


def test_permission_that_a_workflow_cannot_have_gets_no_block() -> None:
    answer = explain("POST https://api.github.com/repos/acme/shop/hooks: 403 Resource not accessible by integration []")

    assert answer.missing_permissions == ("webhooks:write",)
    assert answer.fix is not None
    assert answer.fix.artifacts == ()
    assert "GitHub App" in " ".join(answer.fix.steps)


@pytest.mark.parametrize(
    ("text", "verdict", "cause"),
    [
        (
            '{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}',
            "authentication",
            "authentication",
        ),
        (
            "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "authentication",
            "authentication",
        ),
        ("Error: Input required and not supplied: token", "authentication", "authentication"),
        ("HttpError: API rate limit exceeded for installation ID 7.", "other", "rate_limit"),
        ("gh: You have exceeded a secondary rate limit. Please wait a few minutes (HTTP 403)", "other", "rate_limit"),
        (
            "Advanced Security must be enabled for this repository to use code scanning.",
            "other",
            "entitlement_not_enabled",
        ),
        ("The job was not started because recent account payments have failed", "other", "quota_or_billing"),
        (
            (
                "fatal: unable to access 'https://github.com/acme/shop.git/': Received HTTP code 403 from proxy "
                "after CONNECT"
            ),
            "other",
            "network",
        ),
        (" ! [rejected] main -> main (non-fast-forward)", "other", "validation"),
        ("GraphQL: Can not approve your own pull request (addPullRequestReview)", "other", "validation"),
    ],
)
def test_look_alikes_get_no_grant(text: str, verdict: str, cause: str) -> None:
    answer = explain(text)

    assert (answer.verdict, answer.cause) == (verdict, cause)
    assert answer.fix is not None
    assert answer.fix.artifacts == ()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("remote: error: GH006: Protected branch update failed for refs/heads/main.", "protected_resource"),
        ("remote: error: GH013: Repository rule violations found for refs/heads/main.", "protected_resource"),
        (
            (
                "Resource protected by organization SAML enforcement. You must grant your OAuth token access to "
                "this organization."
            ),
            "sso_or_consent_required",
        ),
        ("`acme` forbids access via a personal access token (classic).", "org_policy"),
        ("GitHub Actions is not permitted to create or approve pull requests", "org_policy"),
        (
            (
                "the `acme` organization has an IP allow list enabled, and 203.0.113.7 is not permitted to access "
                "this resource"
            ),
            "network_or_ip_restriction",
        ),
        ("ERROR: The key you are authenticating with has been marked as read only.", "token_or_key_restricted"),
        (
            "remote: Repository not found.\nfatal: repository 'https://github.com/acme/infra.git/' not found",
            "hidden_as_not_found",
        ),
    ],
)
def test_guardrails_are_told_from_missing_permissions(text: str, cause: str) -> None:
    answer = explain(text)

    assert (answer.verdict, answer.cause) == ("permission", cause)
    assert answer.fix is not None
    assert not any("contents: write" in artifact.content for artifact in answer.fix.artifacts)
