"""Google Cloud Logging: the entries of a filter.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
"""

import re
from datetime import datetime
from typing import Any

from connectors.gcp_log_entry import read_log_entry
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullRefused,
    PullSetting,
    Settings,
    ask_json,
    base_url,
    post_json,
)
from connectors.pull_window import Window, zulu
from connectors.values import as_list, as_mapping, as_text, compact_json, dig, key_of

_ENTRIES = 500
_PROJECT = re.compile(r"[a-z0-9.:-]{4,63}")
_AUDIENCE = "https://logging.googleapis.com/"


class LoggingEntries(Puller):
    """Reads forward in time; of the entries, those that look like a failure are kept."""

    every = 120
    settings = (
        PullSetting("project", "The id of the project."),
        PullSetting(
            "service_account",
            "The key file of a service account with Logs Viewer, as JSON; without one, this machine's own identity.",
            secret=True,
            required=False,
        ),
        PullSetting(
            "filter",
            "In the Logging query language.",
            required=False,
            default="protoPayload.status.code=7 OR severity>=ERROR",
        ),
        PullSetting("url", "Another address of the API.", required=False, default="https://logging.googleapis.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or a project that is none."""
        base_url(settings)
        if not _PROJECT.fullmatch(settings.get("project", "")):
            raise PullRefused("project must be the id of a Google Cloud project")

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next 500 entries, under the ids that a sink to Pub/Sub sends them with."""
        window = Window.read(cursor, now)
        span = f'timestamp>="{zulu(window.since)}" AND timestamp<"{zulu(window.until)}"'
        question: dict[str, Any] = {
            "resourceNames": [f"projects/{settings['project']}"],
            "filter": f"{span} AND ({settings['filter']})",
            "orderBy": "timestamp asc",
            "pageSize": _ENTRIES,
        }
        if window.page:
            question["pageToken"] = window.page
        request = post_json(f"{base_url(settings)}/v2/entries:list", question, {}, f"google:{_AUDIENCE}")
        found = yield from ask_json(request, now)
        entries = [as_mapping(entry) for entry in as_list(dig(found, "entries"))]
        read = [read_log_entry(entry, key_of(compact_json(dict(entry))), now) for entry in entries]
        events = tuple(event for event in read if event)
        page = as_text(dig(found, "nextPageToken"))
        more = page is not None or window.is_behind(now)
        return Pulled(events, window.turn(page), more, len(entries) - len(events))
