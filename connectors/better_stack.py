"""Better Stack: webhooks of its error tracking and of its uptime incidents.

https://betterstack.com/docs/uptime/webhooks/
"""

import re
from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, first_text

_STATUS = re.compile(r"\b[Ss]tatus (?:code )?([1-5][0-9]{2})\b")


class BetterStackConnector(TemplatedConnector):
    """Reads errors and incidents, both in JSON:API form."""

    name = "better-stack"
    title = "Better Stack"
    group = "uptime"
    kind = "betterstack.alert"
    setup = """\
Integrations, Exporting data, Webhook: URL %URL%, and under Headers
  %HEADER%
Errors and telemetry take the address of a Sentry connection as well: use its DSN.
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The attributes, with the error's type and text as such."""
        data = as_mapping(item.get("data"))
        inner = as_mapping(data.get("attributes"))
        if not inner:
            return item
        event = as_text(inner.get("event")) or ""
        resolved = event == "resolved" or bool(inner.get("resolved_at"))
        return {
            **inner,
            "id": f"{as_text(data.get('id'))}:{event}",
            "state": "resolved" if resolved else "firing",
            "time": first_text(inner.get("resolved_at"), inner.get("started_at"), inner.get("occurred_at")),
            "message": first_text(inner.get("error_message"), inner.get("cause")),
            "output": as_text(inner.get("response_content")),
            "http_status": status[1] if (status := _STATUS.search(as_text(inner.get("cause")) or "")) else None,
            "exception_type": inner.get("error_type"),
            "service": first_text(inner.get("application_name"), inner.get("name")),
            "link": first_text(inner.get("error_url"), inner.get("origin_url"), inner.get("url")),
            "group_key": as_text(data.get("id")),
        }


CONNECTOR = BetterStackConnector()
