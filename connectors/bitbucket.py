"""Bitbucket: webhooks of failed builds and pipelines.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/
"""

from typing import Any

from connectors.base import Auth, AuthScheme, Delivery
from connectors.signatures import verify_hmac_sha256, verify_shared_secret
from connectors.templated import TemplatedConnector
from connectors.trial import HexHMAC
from connectors.values import as_mapping, as_text, dig, first_text


class BitbucketConnector(TemplatedConnector):
    """Reads commit statuses; a success of the same key resolves a failure."""

    name = "bitbucket"
    title = "Bitbucket"
    group = "delivery"
    kind = "bitbucket.status"
    schemes: tuple[AuthScheme, ...] = ("signature", "url-token", "none")
    signer = HexHMAC("x-hub-signature", "sha256=")
    setup = """\
Repository settings, Webhooks, Add webhook:
  URL        %URL%
  Secret     %SECRET%
  Triggers   Build status created, Build status updated
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body is signed."""
        if auth.scheme == "signature":
            verify_hmac_sha256(delivery, auth, "x-hub-signature", prefix="sha256=")
        else:
            verify_shared_secret(delivery, auth)

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The status with its repository; none while a build runs."""
        status = as_mapping(item.get("commit_status"))
        state = as_text(status.get("state"))
        if not status:
            return item if "message" in item else {}
        if state not in {"FAILED", "STOPPED", "SUCCESSFUL"}:
            return {}
        repository, key = as_text(dig(item, "repository", "full_name")), as_text(status.get("key"))
        return {
            "id": f"{repository}:{key}:{state}:{as_text(status.get('updated_on')) or ''}",
            "state": "resolved" if state == "SUCCESSFUL" else "firing",
            "title": f"{first_text(status.get('name'), key)} {state.lower()} in {repository}",
            "message": as_text(status.get("description")),
            "service": repository,
            "time": first_text(status.get("updated_on"), status.get("created_on")),
            "link": status.get("url"),
            "group_key": f"{repository}:{key}:{as_text(status.get('refname')) or ''}",
        }


CONNECTOR = BitbucketConnector()
