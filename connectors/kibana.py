"""Kibana's webhook connector, with the body below.

https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_list, as_mapping, as_text, dig, first_text


class KibanaConnector(TemplatedConnector):
    """Reads alerts of rules."""

    name = "kibana"
    title = "Elastic / Kibana"
    group = "alerts"
    kind = "kibana.alert"
    setup = """\
Stack Management, Connectors, Webhook: method POST, URL %URL%
  headers: Content-Type: application/json and %HEADER%
In the rule's action (For each alert), and once more for Recovered with "state": "recovered":
{"id": "{{alert.uuid}}", "state": "active", "time": "{{date}}", "title": "{{rule.name}}", "link": "{{context.link}}",
 "message": "{{context.reason}}", "output": "{{#context.hits}}{{_source.message}} {{/context.hits}}",
 "service": "{{context.serviceName}}", "environment": "{{context.environment}}",
 "group_key": "{{rule.id}}:{{alert.id}}"}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The alert with the documents that it found, where the whole context is sent."""
        found = [as_mapping(dig(hit, "_source")) for hit in as_list(dig(item, "context", "hits") or item.get("hits"))]
        if not any(found):
            return item
        group = as_text(dig(item, "alert", "actionGroup")) or ""
        return {
            **item,
            "id": first_text(dig(item, "alert", "uuid"), dig(item, "alert", "id")),
            "state": "recovered" if "recovered" in group.lower() else "active",
            "group_key": f"{as_text(dig(item, 'rule', 'id'))}:{as_text(dig(item, 'alert', 'id'))}",
            "event": found[0],
            "output": [text for one in found if (text := as_text(one.get("message")))],
        }


CONNECTOR = KibanaConnector()
