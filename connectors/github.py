"""GitHub: webhooks of failed workflow runs, jobs, checks and deployments.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, ErrorEvent, Parsed, Sample
from connectors.bodies import read_payload
from connectors.github_logs import GitHubLogs
from connectors.signatures import verify_hmac_sha256, verify_shared_secret
from connectors.trial import HexHMAC
from connectors.values import (
    as_link,
    as_list,
    as_mapping,
    as_text,
    as_time,
    attributes_of,
    dig,
    first_text,
    join_texts,
    key_of,
)

_FAILED = frozenset({"failure", "timed_out", "action_required", "startup_failure", "error"})
_SUBJECTS = ("workflow_run", "workflow_job", "check_run", "check_suite", "deployment_status")


class GitHubConnector(Connector):
    """Reads what failed; a success of the same workflow and branch resolves it. Logs are not part of a webhook."""

    name = "github"
    title = "GitHub"
    group = "delivery"
    schemes: tuple[AuthScheme, ...] = ("signature", "none")
    pulls = GitHubLogs()
    sample = Sample(
        '{"action": "completed", "workflow_run": {"id": 1, "run_attempt": 1, "name": "%TEXT%", '
        '"conclusion": "failure", "updated_at": "%TIME%"}, "repository": {"full_name": "whydenied/test"}}',
        headers={"x-github-event": "workflow_run", "x-github-delivery": "%ID%"},
    )
    signer = HexHMAC("x-hub-signature-256", "sha256=")
    setup = """\
Repository or organisation, Settings, Webhooks, Add webhook:
  Payload URL    %URL%
  Content type   application/json
  Secret         %SECRET%
  Events         Workflow runs, Check runs
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body, form or JSON, is signed."""
        if auth.scheme == "signature":
            verify_hmac_sha256(delivery, auth, "x-hub-signature-256", prefix="sha256=")
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """The failure, or its end; pings and everything else are understood and hold none."""
        body = read_payload(delivery.body, delivery.headers.get("content-type", ""), "GitHub")
        kind = next((name for name in _SUBJECTS if isinstance(body.get(name), dict)), None)
        if kind is None:
            return Parsed()
        subject = as_mapping(body[kind])
        outcome = first_text(subject.get("conclusion"), subject.get("state"))
        if outcome not in _FAILED and outcome != "success":
            return Parsed()
        return Parsed((_event(kind, subject, body, outcome, delivery),))


def _event(
    kind: str, subject: Mapping[str, Any], body: Mapping[str, Any], outcome: str | None, delivery: Delivery
) -> ErrorEvent:
    repository = as_text(dig(body, "repository", "full_name"))
    name = first_text(subject.get("name"), dig(body, "deployment", "task"), kind)
    attempt = first_text(subject.get("run_attempt"), subject.get("id")) or ""
    branch = first_text(subject.get("head_branch"), dig(subject, "check_suite", "head_branch"))
    moment = first_text(subject.get("updated_at"), subject.get("completed_at"), subject.get("created_at"))
    return ErrorEvent(
        id=f"{kind}:{as_text(subject.get('id')) or key_of(delivery.body)}:{attempt}:{outcome}",
        text=join_texts(_said(kind, subject, body, outcome)) or f"{kind} {outcome}",
        type=f"github.{kind}",
        time=as_time(moment, delivery.received_at),
        state="resolved" if outcome == "success" else "firing",
        service_name=repository,
        environment=first_text(subject.get("environment"), dig(body, "deployment", "environment")),
        url=as_link(first_text(subject.get("html_url"), subject.get("target_url"), subject.get("log_url"))),
        grouping_key=f"{repository}:{kind}:{name}:{branch or ''}",
        attributes=attributes_of(
            [
                ("vcs.repository", repository),
                ("vcs.ref", branch),
                ("vcs.revision", first_text(subject.get("head_sha"), subject.get("sha"))),
                ("github.event", dig(subject, "event")),
                ("github.actor", dig(body, "sender", "login")),
                ("github.run_id", first_text(subject.get("run_id"), subject.get("id"))),
            ]
        ),
    )


def _said(kind: str, subject: Mapping[str, Any], body: Mapping[str, Any], outcome: str | None) -> Iterator[str | None]:
    yield f"{first_text(subject.get('name'), kind)} {outcome} in {as_text(dig(body, 'repository', 'full_name'))}"
    for name in ("title", "summary", "text"):
        yield as_text(dig(subject, "output", name))
    yield as_text(subject.get("description"))
    for step in map(as_mapping, as_list(subject.get("steps"))):
        if step.get("conclusion") == "failure":
            yield f"step failed: {as_text(step.get('name'))}"


CONNECTOR = GitHubConnector()
