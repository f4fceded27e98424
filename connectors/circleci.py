"""CircleCI: webhooks of completed workflows and jobs.

https://circleci.com/docs/guides/integration/outbound-webhooks/
"""

from typing import Any

from connectors.base import Auth, AuthScheme, Delivery
from connectors.signatures import verify_hmac_sha256, verify_shared_secret
from connectors.templated import TemplatedConnector
from connectors.trial import HexHMAC
from connectors.values import as_mapping, as_text, dig, first_text

_FAILED = frozenset({"failed", "error", "unauthorized", "failing"})


class CircleCIConnector(TemplatedConnector):
    """Reads what failed; a later success of the same workflow resolves it."""

    name = "circleci"
    title = "CircleCI"
    group = "delivery"
    kind = "circleci.run"
    schemes: tuple[AuthScheme, ...] = ("signature", "url-token", "none")
    signer = HexHMAC("circleci-signature", "v1=")
    setup = """\
Project settings, Webhooks, Add Webhook:
  Receiver URL   %URL%
  Secret token   %SECRET%
  Events         Workflow Completed, Job Completed
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body is signed."""
        if auth.scheme == "signature":
            verify_hmac_sha256(delivery, auth, "circleci-signature", prefix="v1=")
        else:
            verify_shared_secret(delivery, auth)

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The job or workflow with its project and branch; none unless it failed or succeeded."""
        subject = as_mapping(item.get("job")) or as_mapping(item.get("workflow"))
        status = first_text(subject.get("status"), dig(item, "workflow", "status"))
        if not subject:
            return {} if item.get("type") == "ping" else item
        if status not in _FAILED and status != "success":
            return {}
        project = first_text(dig(item, "project", "slug"), dig(item, "project", "name"))
        name, branch = as_text(subject.get("name")), as_text(dig(item, "pipeline", "vcs", "branch"))
        return {
            "id": f"{as_text(item.get('id'))}",
            "state": "resolved" if status == "success" else "firing",
            "title": f"{name} {status} in {project}",
            "message": "This job is not authorized to use a context" if status == "unauthorized" else None,
            "service": project,
            "time": item.get("happened_at"),
            "link": dig(item, "workflow", "url"),
            "group_key": f"{project}:{name}:{branch or ''}",
        }


CONNECTOR = CircleCIConnector()
