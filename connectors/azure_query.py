"""Azure Monitor: the rows of a query in a Log Analytics workspace, which a log alert only links to.

https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from connectors.base import ErrorEvent
from connectors.kql import rows_query
from connectors.log_line import LogLines
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullError,
    PullGone,
    PullNothing,
    PullRefused,
    PullRequest,
    PullSetting,
    Settings,
    ask_json,
    base_url,
    found_at,
    page_of,
    post_json,
)
from connectors.pull_window import Window, zulu
from connectors.quoted_lines import MOST_LINES, quote_lines
from connectors.values import as_list, as_mapping, as_text, as_time, compact_json, dig, first_text, key_of

_ROWS = 1_000
_ID = re.compile(r"[A-Za-z0-9.-]{3,100}")
_DIMENSION = "azure.dimension."
_LOOKED_AT = timedelta(minutes=15)


class LogAnalyticsQuery(Puller):
    """Reads forward in time; of the rows, those that look like a failure are kept."""

    every = 120
    optional_schedule = ("query",)
    settings = (
        PullSetting("workspace", "The id of the Log Analytics workspace."),
        PullSetting(
            "query",
            "KQL over a table with TimeGenerated, such as AzureActivity | where Level == 'Error', to read by schedule.",
            required=False,
        ),
        PullSetting("tenant", "The id of the Entra tenant, with a client_secret.", required=False),
        PullSetting(
            "client_id",
            "An app registration, or user-assigned identity, with the role Log Analytics Reader on the workspace.",
            required=False,
        ),
        PullSetting(
            "client_secret",
            "A secret of that app registration; without one, this machine's own identity.",
            secret=True,
            required=False,
        ),
        PullSetting("url", "The query API's address.", required=False, default="https://api.loganalytics.io"),
        PullSetting("login_url", "Entra's address.", required=False, default="https://login.microsoftonline.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or an id that is none."""
        base_url(settings)
        base_url(settings, "login_url")
        has_secret = bool(settings.get("client_secret"))
        for name in ("workspace", *(("tenant",) if has_secret else ())):
            if not _ID.fullmatch(settings.get(name, "")):
                raise PullRefused(f"{name} must be an id, such as 00000000-0000-0000-0000-000000000000")
        if has_secret and not settings.get("client_id"):
            raise PullRefused("client_id is missing: the app registration that the client_secret belongs to")

    def lacks_text(self, event: ErrorEvent) -> bool:
        """A log alert tells of a number of rows, and of none of them."""
        return event.state == "firing" and "azure.query" in event.attributes

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the rows of its query, asked of this connection's workspace; no link of the alert is used."""
        told = event.attributes
        dimensions = {
            name.removeprefix(_DIMENSION): str(value) for name, value in told.items() if name.startswith(_DIMENSION)
        }
        query = rows_query(str(told["azure.query"]), dimensions, MOST_LINES)
        if query is None:
            raise PullNothing(
                "The alert's query could read beyond its own workspace, or is too long, so it is not asked"
            )
        until = as_time(told.get("azure.window_end"), now) if "azure.window_end" in told else event.time
        since = as_time(told.get("azure.window_start"), now) if "azure.window_start" in told else until - _LOOKED_AT
        question = {"query": query, "timespan": f"{zulu(since)}/{zulu(until)}"}
        rows = list(_rows((yield from _ask(question, settings, now))))
        if not rows:
            raise PullGone("The workspace has no row that the alert could have counted")
        return quote_lines(event, rows, now)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next thousand rows. A full page is followed by one that begins at its last row's time."""
        window = Window.read(cursor, now)
        since = window.page or zulu(window.since)
        query = f"{settings['query']}\n| sort by TimeGenerated asc\n| take {_ROWS}"
        question = {"query": query, "timespan": f"{since}/{zulu(window.until)}"}
        lines, rows = LogLines(found_at(now)), list(_rows((yield from _ask(question, settings, now))))
        for row in rows:
            lines.add(
                row,
                identity=first_text(row.get("_ItemId")) or key_of(compact_json(row)),
                time=row.get("TimeGenerated"),
                service_name=first_text(row.get("AppRoleName"), row.get("ResourceProviderValue"), row.get("Resource")),
                severity=first_text(row.get("Level"), row.get("SeverityLevel")),
            )
        last = as_text(rows[-1].get("TimeGenerated")) if len(rows) >= _ROWS else None
        return page_of(lines, window, last if last != since else None, now)


def _ask(question: dict[str, str], settings: Settings, now: datetime) -> Exchange[Any]:
    url, scope = f"{base_url(settings)}/v1/workspaces/{settings['workspace']}/query", f"{base_url(settings)}/.default"
    if settings.get("client_secret"):
        token = yield from _token(settings, scope, now)
        request = post_json(url, question, {"Authorization": f"Bearer {token}"})
    else:
        request = post_json(url, question, {}, f"azure:{scope}")
    return (yield from ask_json(request, now))


def _token(settings: Settings, scope: str, now: datetime) -> Exchange[str]:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings["client_id"],
        "client_secret": settings["client_secret"],
        "scope": scope,
    }
    url = f"{base_url(settings, 'login_url')}/{settings['tenant']}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    found = yield from ask_json(PullRequest(url, "POST", headers, body=urlencode(form).encode()), now)
    token = as_text(dig(found, "access_token"))
    if not token:
        raise PullError("Entra gave no access token")
    return token


def _rows(found: Any) -> Iterator[dict[str, Any]]:
    for table in map(as_mapping, as_list(dig(found, "tables"))):
        names = [as_text(as_mapping(column).get("name")) or "" for column in as_list(table.get("columns"))]
        for row in as_list(table.get("rows")):
            if isinstance(row, list) and len(row) == len(names):
                yield {name: value for name, value in zip(names, row, strict=True) if value not in (None, "")}
