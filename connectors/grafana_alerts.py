"""Grafana: the alerts that fire now, whose notification it never repeats when one gets lost, and their log lines.

https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from datetime import datetime

from connectors.alertmanager import read_alerts
from connectors.base import BodyTooLarge, ErrorEvent, Unparseable
from connectors.grafana_rule import quote_rule, rule_of
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullError,
    PullLater,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    base_url,
    found_at,
)
from connectors.pull_window import Window

_MOST_QUOTED = 10


class GrafanaAlerts(Puller):
    """Reads all that fire at once: the API has no pages."""

    every = 120
    settings = (
        PullSetting("url", "Grafana's address, such as https://grafana.example."),
        PullSetting("token", "The token of a service account with the role Viewer.", secret=True),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address that is none."""
        base_url(settings)

    def lacks_text(self, event: ErrorEvent) -> bool:
        """A rule's alert has what its annotations say, and never the lines that its query counted."""
        return event.state == "firing" and rule_of(event) is not None

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the lines of Loki behind it."""
        return (yield from quote_rule(event, settings, now))

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The alerts, under the ids of their webhooks; ten that began since the last time with their lines."""
        headers = {"Authorization": f"Bearer {settings['token']}", "Accept": "application/json"}
        query = (("active", "true"), ("silenced", "false"), ("inhibited", "false"))
        url = f"{base_url(settings)}/api/alertmanager/grafana/api/v2/alerts"
        answer = yield from ask(PullRequest(url, headers=headers, query=query), now)
        try:
            found = read_alerts(found_at(now, answer.body))
        except (Unparseable, BodyTooLarge) as error:
            raise PullError(f"Grafana's answer cannot be read: {error}") from None
        window, events, room = Window.read(cursor, now), [], _MOST_QUOTED
        for event in found.events:
            quotes = room > 0 and event.time >= window.since and self.lacks_text(event)
            room -= quotes
            if event.state == "firing":
                events.append((yield from _quoted(event, settings, now)) if quotes else event)
        return Pulled(tuple(events), window.turn(None))


def _quoted(event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
    try:
        return (yield from quote_rule(event, settings, now))
    except PullLater:
        raise
    except PullError:
        return event
