"""Grafana: the alerts that fire now, whose notification it never repeats when one gets lost.

https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from datetime import datetime

from connectors.alertmanager import read_alerts
from connectors.base import BodyTooLarge, Unparseable
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullError,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    base_url,
    found_at,
)


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

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The alerts, under the ids that the webhook gives them."""
        headers = {"Authorization": f"Bearer {settings['token']}", "Accept": "application/json"}
        query = (("active", "true"), ("silenced", "false"), ("inhibited", "false"))
        url = f"{base_url(settings)}/api/alertmanager/grafana/api/v2/alerts"
        answer = yield from ask(PullRequest(url, headers=headers, query=query), now)
        try:
            found = read_alerts(found_at(now, answer.body))
        except (Unparseable, BodyTooLarge) as error:
            raise PullError(f"Grafana's answer cannot be read: {error}") from None
        return Pulled(tuple(event for event in found.events if event.state == "firing"), "{}")
