"""Splunk's webhook alert action: the first row of the search's result.

https://docs.splunk.com/Documentation/Splunk/latest/Alert/Webhooks
"""

from typing import Any

from connectors.base import AuthScheme, Sample
from connectors.fields import Fields
from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, first_text


class SplunkAlertConnector(TemplatedConnector):
    """Reads the row; its fields are those of the search."""

    name = "splunk"
    title = "Splunk (alert webhook)"
    group = "alerts"
    kind = "splunk.alert"
    schemes: tuple[AuthScheme, ...] = ("url-token", "none")
    sample = Sample('{"sid": "%ID%", "search_name": "whydenied test", "result": {"_raw": "%TEXT%"}}')
    setup = """\
Server settings, Webhook allow list: add the address. Then, in the alert: Trigger actions, Webhook, URL %URL%
Let the search return the error text, for example:
  index=app "denied" | table _time, host, service, message, _raw
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The row with the search beside it. The event's raw text stands for a message where there is none."""
        row = dict(as_mapping(item.get("result")))
        if not row:
            return item
        raw = row.pop("_raw", None)
        source = as_text(row.pop("source", None)) or ""
        said = first_text(row.get("message"), row.get("error"), raw)
        return {
            **row,
            "message": said,
            "title": as_text(item.get("search_name")),
            "id": as_text(item.get("sid")),
            "time": row.get("_time"),
            "source": source,
            "link": item.get("results_link"),
            "group_key": as_text(item.get("search_name")),
            "service": first_text(*Fields(row)["service"], None if "/" in source else source, row.get("host")),
        }


CONNECTOR = SplunkAlertConnector()
