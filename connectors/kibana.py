"""Kibana's webhook connector, with the body below.

https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type
"""

from connectors.templated import TemplatedConnector


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


CONNECTOR = KibanaConnector()
