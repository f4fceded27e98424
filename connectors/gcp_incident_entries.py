"""Google Cloud Logging: the entries that a log-based alert matched, which its notification has at most extracts of.

https://cloud.google.com/logging/docs/alerting/log-based-alerts
"""

from datetime import datetime, timedelta

from connectors.base import ErrorEvent
from connectors.gcp_entries import LoggingEntries
from connectors.gcp_log_entry import read_log_entry
from connectors.pull import Exchange, Puller, PullGone, Settings, ask_json, base_url, post_json
from connectors.pull_window import zulu
from connectors.quoted_lines import MOST_LINES, quote_lines
from connectors.values import as_list, as_mapping, dig

_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=1)


class IncidentEntries(Puller):
    """Reads the entries of one project."""

    settings = tuple(one for one in LoggingEntries.settings if one.name != "filter")

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or a project that is none."""
        LoggingEntries().check(settings)

    def lacks_text(self, event: ErrorEvent) -> bool:
        """An incident on a log names the filter, and no entry; one on a metric has none."""
        return event.state == "firing" and "gcp.filter" in event.attributes

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the entries of its filter, in the connection's own project."""
        span = f'timestamp>="{zulu(event.time - _BEFORE)}" AND timestamp<"{zulu(event.time + _AFTER)}"'
        question = {
            "resourceNames": [f"projects/{settings['project']}"],
            "filter": f"{span} AND ({event.attributes['gcp.filter']})",
            "orderBy": "timestamp desc",
            "pageSize": MOST_LINES,
        }
        url = f"{base_url(settings)}/v2/entries:list"
        found = yield from ask_json(post_json(url, question, {}, "google:https://logging.googleapis.com/"), now)
        entries = [as_mapping(entry) for entry in as_list(dig(found, "entries"))]
        lines = [one.text for entry in entries if (one := read_log_entry(entry, "entry", now))]
        if not lines:
            raise PullGone("The project has no entry that the alert's filter could have matched")
        return quote_lines(event, lines, now)
