"""Datadog: the logs of a query.

https://docs.datadoghq.com/api/latest/logs/#search-logs-post
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.log_line import LogLines
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullRefused,
    PullSetting,
    Settings,
    ask_json,
    base_url,
    found_at,
    page_of,
    post_json,
)
from connectors.pull_window import Window, zulu
from connectors.values import as_list, as_mapping, as_text, dig, first_text

_LOGS = 500
_SITE = re.compile(r"[a-z0-9.-]{4,60}")


class DatadogSearch(Puller):
    """Reads forward in time; of the logs, those that look like a failure are kept."""

    every = 60
    settings = (
        PullSetting("api_key", "An API key.", secret=True),
        PullSetting("application_key", "An application key with the scope logs_read_data.", secret=True),
        PullSetting("query", "A log search, as in the Logs Explorer.", required=False, default="status:error"),
        PullSetting("site", "Your Datadog site.", required=False, default="datadoghq.com"),
        PullSetting("url", "Another address of the API than https://api.<site>.", required=False),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for a site or an address that is none."""
        _address(settings)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next 500 logs."""
        window = Window.read(cursor, now)
        span = {"query": settings["query"], "from": zulu(window.since), "to": zulu(window.until)}
        page: dict[str, Any] = {"limit": _LOGS} | ({"cursor": window.page} if window.page else {})
        headers = {"DD-API-KEY": settings["api_key"], "DD-APPLICATION-KEY": settings["application_key"]}
        question = {"filter": span, "sort": "timestamp", "page": page}
        url = f"{_address(settings)}/api/v2/logs/events/search"
        found = yield from ask_json(post_json(url, question, headers), now)
        lines = LogLines(found_at(now))
        for log in map(as_mapping, as_list(dig(found, "data"))):
            _add(lines, as_text(log.get("id")), as_mapping(log.get("attributes")))
        return page_of(lines, window, as_text(dig(found, "meta", "page", "after")), now)


def _add(lines: LogLines, identity: str | None, told: Mapping[str, Any]) -> None:
    tags = dict(tag.split(":", 1) for tag in as_list(told.get("tags")) if isinstance(tag, str) and ":" in tag)
    own = as_mapping(told.get("attributes"))
    lines.add(
        {**own, "message": told.get("message")} if told.get("message") else dict(own),
        identity=identity,
        time=told.get("timestamp"),
        service_name=first_text(told.get("service"), tags.get("service")),
        environment=as_text(tags.get("env")),
        severity=as_text(told.get("status")),
        attributes={"host.name": as_text(told.get("host")), **tags},
    )


def _address(settings: Settings) -> str:
    if settings.get("url"):
        return base_url(settings)
    if not _SITE.fullmatch(settings.get("site", "")):
        raise PullRefused("site must be the name of your Datadog site, such as datadoghq.eu")
    return f"https://api.{settings['site']}"
