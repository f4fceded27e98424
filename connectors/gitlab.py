"""GitLab: webhooks of failed jobs, pipelines and deployments, with either way of signing.

https://docs.gitlab.com/user/project/integrations/webhook_events/
https://docs.gitlab.com/user/project/integrations/webhooks/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, ErrorEvent, Parsed, Sample, Unparseable
from connectors.bodies import read_json
from connectors.gitlab_traces import GitLabTraces
from connectors.signatures import verify_named_secret, verify_standard_webhook
from connectors.trial import StandardWebhook
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


class GitLabConnector(Connector):
    """Reads what failed, with the reason that GitLab gives; a later success of the same job or pipeline resolves it."""

    name = "gitlab"
    title = "GitLab"
    group = "delivery"
    header_name = "X-Gitlab-Token"
    schemes: tuple[AuthScheme, ...] = ("signature", "header", "none")
    pulls = GitLabTraces()
    vendor_secret = True
    sample = Sample(
        '{"object_kind": "build", "build_id": 1, "build_name": "%TEXT%", "build_status": "failed", '
        '"build_failure_reason": "script_failure", "build_finished_at": "%TIME%"}',
    )
    signer = StandardWebhook()
    setup = """\
Project or group, Settings, Webhooks, Add new webhook:
  URL       %URL%
  Trigger   Job events, Pipeline events, Deployment events
  Signing token: GitLab makes it; give it to this connection (scheme signature).
  Older versions: Secret token %SECRET% (scheme header, name X-Gitlab-Token).
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body is signed, or the secret token shown, as the connection wants it."""
        if auth.scheme == "signature":
            verify_standard_webhook(delivery, auth)
        else:
            verify_named_secret(delivery, auth, self.header_name)

    def parse(self, delivery: Delivery) -> Parsed:
        """The failure, or its end; other events are understood and hold none."""
        body = read_json(delivery.body)
        if not isinstance(body, dict) or "object_kind" not in body:
            raise Unparseable("A webhook of GitLab is an object with an `object_kind`, and this is not one")
        match body["object_kind"]:
            case "build":
                return _parsed(_job(body, delivery))
            case "pipeline":
                return _parsed(_pipeline(body, delivery))
            case "deployment":
                return _parsed(_deployment(body, delivery))
        return Parsed()


def _parsed(event: ErrorEvent | None) -> Parsed:
    return Parsed((event,) if event else ())


def _job(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    status, name = as_text(body.get("build_status")), as_text(body.get("build_name"))
    reason = as_text(body.get("build_failure_reason"))
    text = join_texts([f"job {name} {status}", None if reason == "unknown_failure" else reason])
    return _event(body, delivery, status, f"job:{as_text(body.get('build_id'))}", text, f"job:{name}")


def _pipeline(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    pipeline = as_mapping(body.get("object_attributes"))
    status, number = as_text(pipeline.get("status")), as_text(pipeline.get("id"))
    text = join_texts([f"pipeline {status}", as_text(pipeline.get("detailed_status")), *_failed_jobs(body)])
    return _event({**body, **pipeline}, delivery, status, f"pipeline:{number}", text, "pipeline")


def _failed_jobs(body: Mapping[str, Any]) -> Iterator[str]:
    for job in map(as_mapping, as_list(body.get("builds"))):
        if job.get("status") == "failed" and job.get("allow_failure") is not True:
            yield f"job {as_text(job.get('name'))} failed: {as_text(job.get('failure_reason')) or 'no reason given'}"


def _deployment(body: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    status, number = as_text(body.get("status")), as_text(body.get("deployment_id"))
    environment = as_text(body.get("environment"))
    return _event(body, delivery, status, f"deployment:{number}", f"deployment to {environment} {status}", "deployment")


def _event(
    body: Mapping[str, Any], delivery: Delivery, status: str | None, identity: str, text: str, subject: str
) -> ErrorEvent | None:
    if status not in {"failed", "success"}:
        return None
    project = first_text(dig(body, "project", "path_with_namespace"), body.get("project_name"))
    environment = body.get("environment")
    moment = first_text(body.get("build_finished_at"), body.get("finished_at"), body.get("status_changed_at"))
    job_link = f"{dig(body, 'project', 'web_url')}/-/jobs/{body['build_id']}" if "build_id" in body else None
    kind = subject.partition(":")[0]
    # A job ends once, and is known so however it is heard of; a pipeline and a deployment may be run again
    again = [] if kind == "job" else [moment or key_of(delivery.body)]
    return ErrorEvent(
        id=":".join([identity, status, *again]),
        text=text,
        type=f"gitlab.{kind}",
        time=as_time(moment, delivery.received_at),
        state="resolved" if status == "success" else "firing",
        service_name=project,
        environment=first_text(environment.get("name") if isinstance(environment, dict) else environment),
        url=as_link(first_text(job_link, body.get("url"), body.get("deployable_url"))),
        grouping_key=f"{project}:{subject}:{as_text(body.get('ref')) or ''}",
        attributes=attributes_of(
            [
                ("vcs.repository", project),
                ("vcs.ref", body.get("ref")),
                ("vcs.revision", first_text(body.get("sha"), dig(body, "commit", "sha"))),
                ("gitlab.stage", body.get("build_stage")),
                ("gitlab.job_id", body.get("build_id")),
                ("gitlab.project_id", first_text(body.get("project_id"), dig(body, "project", "id"))),
            ]
        ),
    )


CONNECTOR = GitLabConnector()
