"""PagerDuty: the alerts of an incident, whose details its webhooks lack.

https://developer.pagerduty.com/api-reference/4bc42e7ac0c59-list-alerts-for-an-incident
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.pull import Exchange, Puller, PullGone, PullRequest, PullSetting, Settings, ask_json, base_url
from connectors.values import as_list, as_mapping, as_text, compact_json, dig, join_texts

_INCIDENT = re.compile(r"[A-Z0-9]{1,40}")
_MOST_ALERTS = 25


class PagerDutyAlerts(Puller):
    """Reads what a read-only REST API key may read."""

    settings = (
        PullSetting("token", "A read-only REST API key (Integrations, API Access Keys).", secret=True),
        PullSetting("url", "The REST API's address.", required=False, default="https://api.pagerduty.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address that is none."""
        base_url(settings)

    def lacks_text(self, event: ErrorEvent) -> bool:
        """An incident's notification has its title alone."""
        return event.state == "firing" and event.type.startswith("incident.")

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the summary and the details of its alerts."""
        incident = event.grouping_key or ""
        if not _INCIDENT.fullmatch(incident):
            raise PullGone("The webhook names no incident that alerts could be asked for by")
        headers = {
            "Authorization": f"Token token={settings['token']}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }
        path = f"{base_url(settings)}/incidents/{incident}/alerts"
        found = yield from ask_json(PullRequest(path, headers=headers, query=(("limit", str(_MOST_ALERTS)),)), now)
        alerts = [as_mapping(alert) for alert in as_list(dig(found, "alerts"))]
        if not alerts:
            raise PullGone("PagerDuty names no alert of this incident")
        return replace(event, text=join_texts([event.text, *(text for alert in alerts for text in _said(alert))]))


def _said(alert: Mapping[str, Any]) -> Iterator[str | None]:
    yield as_text(alert.get("summary"))
    body = as_mapping(alert.get("body"))
    for details in (body.get("details"), dig(body, "cef_details", "details"), dig(body, "cef_details", "message")):
        yield compact_json(details) if isinstance(details, dict) and details else as_text(details)
