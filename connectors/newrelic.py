"""New Relic's workflows by a webhook destination, with the template below or the default one.

https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_list, as_text, first_text


class NewRelicConnector(TemplatedConnector):
    """Reads issues; a value is often a list of one."""

    name = "newrelic"
    title = "New Relic"
    group = "alerts"
    kind = "newrelic.issue"
    setup = """\
Alerts, Destinations, Webhook: endpoint %URL%, authorization Bearer token %SECRET%
Alerts, Workflows, Notify: Webhook, payload
{"id": {{ json issueId }}, "state": {{ json state }}, "updatedAt": {{ json updatedAt }},
 "title": {{ json annotations.title.[0] }}, "message": {{ json annotations.description.[0] }},
 "service": {{ json entitiesData.names }}, "priority": {{ json priority }}, "link": {{ json issuePageUrl }}}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The default template's names put as the common ones."""
        entities = first_text(
            *as_list(item.get("impactedEntities")), *as_list(item.get("service")), item.get("service")
        )
        return {
            **item,
            "service": entities,
            "link": first_text(item.get("link"), item.get("issueUrl"), item.get("issuePageUrl")),
            "state": as_text(item.get("state")),
            "time": first_text(item.get("updatedAt"), item.get("createdAt")),
            "group_key": first_text(item.get("id"), item.get("issueId")),
            "message": first_text(item.get("message"), *as_list(item.get("alertConditionNames"))),
        }


CONNECTOR = NewRelicConnector()
