"""Checkly's webhook alert channel, with the template below.

https://www.checklyhq.com/docs/integrations/alerts/webhooks/
"""

from typing import Any

from connectors.base import Auth, AuthScheme, Delivery
from connectors.signatures import verify_hmac_sha256, verify_shared_secret
from connectors.templated import TemplatedConnector
from connectors.trial import HexHMAC
from connectors.values import as_text

_OWN = {
    "event": "title",
    "check_error_message": "message",
    "api_check_response_body": "output",
    "api_check_response_status_code": "http_status",
    "check_name": "service",
    "check_result_id": "id",
    "check_id": "group_key",
    "result_link": "link",
}
_OVER = frozenset({"ALERT_RECOVERY", "ALERT_DEGRADED_RECOVERY", "ALERT_SSL_RECOVERY"})


class ChecklyConnector(TemplatedConnector):
    """Reads failed checks and their recovery."""

    name = "checkly"
    title = "Checkly"
    group = "uptime"
    kind = "checkly.alert"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")
    signer = HexHMAC("x-checkly-signature")
    setup = """\
Alert settings, Add more channels, Webhook: POST %URL%, Webhook secret %SECRET%, body
{"id": "{{CHECK_RESULT_ID}}", "alert_type": "{{ALERT_TYPE}}", "title": "{{ALERT_TITLE}}", "time": "{{STARTED_AT}}",
 "message": "{{CHECK_ERROR_MESSAGE}}", "http_status": "{{API_CHECK_RESPONSE_STATUS_CODE}}", "service": "{{CHECK_NAME}}",
 "output": "{{API_CHECK_RESPONSE_BODY}}", "link": "{{RESULT_LINK}}", "group_key": "{{CHECK_ID}}"}
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body is signed, or the secret shown as the connection wants it."""
        if auth.scheme == "signature":
            verify_hmac_sha256(delivery, auth, "x-checkly-signature")
        else:
            verify_shared_secret(delivery, auth)

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """A recovery closes what the failure of the same check opened. Checkly's own template is read as well."""
        item = {name: item[own] for own, name in _OWN.items() if item.get(own)} | item
        kind = as_text(item.get("alert_type")) or as_text(item.get("type")) or ""
        return {**item, "state": "resolved" if kind in _OVER else "firing", "alert_type": None, "type": None}


CONNECTOR = ChecklyConnector()
