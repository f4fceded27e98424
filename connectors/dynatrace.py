"""Dynatrace problem notifications by a custom webhook, with the payload below.

https://docs.dynatrace.com/docs/analyze-explore-automate/notifications-and-alerting/problem-notifications/webhook-integration
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_text

# The placeholders by their own names, as in the payload that Dynatrace proposes
_OWN = {
    "PID": "id",
    "State": "state",
    "ProblemTitle": "title",
    "ProblemDetailsText": "message",
    "ProblemURL": "link",
    "ProblemSeverity": "severity",
    "Tags": "tags",
}


class DynatraceConnector(TemplatedConnector):
    """Reads problems as they open and close."""

    name = "dynatrace"
    title = "Dynatrace"
    group = "alerts"
    kind = "dynatrace.problem"
    setup = """\
Settings, Integration, Problem notifications, Custom integration: URL %URL%, HTTP header
  %HEADER%
and payload
{"id": "{PID}", "state": "{State}", "title": "{ProblemTitle}", "message": "{ProblemDetailsText}",
 "link": "{ProblemURL}", "severity": "{ProblemSeverity}", "service": "{ImpactedEntity}", "group_key": "{PID}"}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """Each state of a problem is an event of its own."""
        item = {name: item[own] for own, name in _OWN.items() if item.get(own)} | item
        number, state = as_text(item.get("id")), (as_text(item.get("state")) or "").lower()
        group = item.get("group_key") or number
        return {**item, "id": f"{number}:{state}" if number else None, "state": state, "group_key": group}


CONNECTOR = DynatraceConnector()
