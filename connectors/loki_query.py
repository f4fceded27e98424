"""Grafana Loki: the lines of a query.

https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.log_line import LogLines
from connectors.loki_facts import facts_of
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullRequest,
    PullSetting,
    Settings,
    ask_json,
    base_url,
    credentials_of,
    found_at,
    page_of,
)
from connectors.pull_window import Window, nanoseconds
from connectors.values import as_list, as_mapping, dig

_LINES = 1_000


class LokiQuery(Puller):
    """Reads forward in time; of the lines, those that look like a failure are kept."""

    every = 60
    settings = (
        PullSetting("url", "Loki's address, such as https://loki.example."),
        PullSetting("query", 'LogQL, such as {namespace="shop"} |~ "(?i)denied|forbidden".'),
        PullSetting("token", "A bearer token.", secret=True, required=False),
        PullSetting("username", "Or a user name, on Grafana Cloud the number of the instance.", required=False),
        PullSetting("password", "The password of that user, or an access policy token.", secret=True, required=False),
        PullSetting("tenant", "The X-Scope-OrgID, where Loki has tenants.", required=False),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address that is none."""
        base_url(settings)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next thousand lines. A page begins at the last line's time, whose lines have their ids already."""
        window = Window.read(cursor, now)
        start = int(window.page or nanoseconds(window.since))
        query = {
            "query": settings["query"],
            "start": str(start),
            "end": str(nanoseconds(window.until)),
            "limit": str(_LINES),
            "direction": "forward",
        }
        headers = credentials_of(settings)
        if settings.get("tenant"):
            headers["X-Scope-OrgID"] = settings["tenant"]
        url = f"{base_url(settings)}/loki/api/v1/query_range"
        found = yield from ask_json(PullRequest(url, headers=headers, query=tuple(query.items())), now)
        lines, count, last = LogLines(found_at(now)), 0, start
        for stream in map(as_mapping, as_list(dig(found, "data", "result"))):
            labels: Mapping[str, Any] = as_mapping(stream.get("stream"))
            for time, line in (entry[:2] for entry in as_list(stream.get("values")) if _is_entry(entry)):
                lines.add(line, **facts_of(labels, time))
                count, last = count + 1, max(last, int(time))
        page = str(max(last, start + 1)) if count >= _LINES else None
        return page_of(lines, window, page, now)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[0], str) and entry[0].isdecimal()
