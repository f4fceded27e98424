"""Dynatrace problem notifications by a custom webhook, with the payload below.

https://docs.dynatrace.com/docs/analyze-explore-automate/notifications-and-alerting/problem-notifications/webhook-integration
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_text


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
        number, state = as_text(item.get("id")), (as_text(item.get("state")) or "").lower()
        return {**item, "id": f"{number}:{state}" if number else None, "state": state, "severity": item.get("severity")}


CONNECTOR = DynatraceConnector()
