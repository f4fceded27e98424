"""Opsgenie and Jira Service Management Operations: webhooks of alerts.

https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/
"""

from typing import Any

from connectors.tags import tagged_environment, tagged_service, tags_of
from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, compact_json, first_text

_FIRING = frozenset({"Create", "UnAcknowledge", "EscalateNext"})
_OVER = frozenset({"Close", "Delete"})


class OpsgenieConnector(TemplatedConnector):
    """Reads alerts as they open and close; other actions are understood and hold none."""

    name = "opsgenie"
    title = "Opsgenie, Jira Service Management"
    group = "alerts"
    kind = "opsgenie.alert"
    setup = """\
Settings, Integrations, Webhook: URL %URL%, alert actions Create and Close, custom header
  %HEADER%
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The alert with its action as a state."""
        alert, action = as_mapping(item.get("alert")), as_text(item.get("action"))
        if not alert:
            return item
        if action not in _FIRING | _OVER:
            return {}
        number = first_text(alert.get("alertId"), alert.get("alias"))
        details = as_mapping(alert.get("details"))
        told = tags_of(details) | tags_of(alert.get("tags"))
        return {
            "id": f"{number}:{action}:{as_text(alert.get('updatedAt')) or ''}",
            "state": "resolved" if action in _OVER else "firing",
            "title": as_text(alert.get("message")),
            "message": as_text(alert.get("description")),
            "output": compact_json(details) if details else None,
            "service": first_text(tagged_service(told), alert.get("entity"), alert.get("source")),
            "environment": tagged_environment(told),
            "priority": alert.get("priority"),
            "time": first_text(alert.get("updatedAt"), alert.get("createdAt")),
            "group_key": number,
        }


CONNECTOR = OpsgenieConnector()
