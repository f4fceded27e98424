"""Sentry: the newest event of each issue, which an issue's webhook lacks, and issues whose webhook was lost.

https://docs.sentry.io/api/events/list-an-organizations-issues/
https://docs.sentry.io/api/events/retrieve-an-issue-event/
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullGone,
    PullRefused,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    ask_json,
    base_url,
    json_of,
)
from connectors.pull_window import Window
from connectors.sentry_event import read_event
from connectors.values import as_link, as_list, as_mapping, as_text, as_time, dig, first_text

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_NEXT = re.compile(r'rel="next";\s*results="true";\s*cursor="([0-9:]{1,80})"')
_ISSUES = 25


class SentryIssues(Puller):
    """Reads what a token with event:read may read."""

    every = 120
    settings = (
        PullSetting("organization", "The organization's slug."),
        PullSetting("token", "An internal integration's token with Issue & Event: Read.", secret=True),
        PullSetting("query", "Which issues, as in Sentry's search.", required=False, default="is:unresolved"),
        PullSetting("url", "Another region or host.", required=False, default="https://sentry.io"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or an organization that is none."""
        base_url(settings)
        if not _SLUG.fullmatch(settings.get("organization", "")):
            raise PullRefused("organization must be the slug that stands in Sentry's addresses")

    def lacks_text(self, event: ErrorEvent) -> bool:
        """An issue's change has its headline, and no chain of exceptions."""
        return event.state == "firing" and event.type.startswith("issue.")

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the text and the stack of the issue's newest one."""
        if not _NUMBER.fullmatch(event.grouping_key or ""):
            raise PullGone("The webhook names no issue that events could be asked for by")
        found = yield from ask_json(_request(f"issues/{event.grouping_key}/events/latest/", settings), now)
        newest = read_event(as_mapping(found), now, kind=event.type, issue=event.grouping_key, link=event.url)
        facts = {**newest.attributes, **event.attributes}
        return replace(newest, id=event.id, time=event.time, url=event.url or newest.url, attributes=facts)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The newest event of each issue that was seen since, under the id that its own webhook has."""
        window = Window.read(cursor, now)
        query = [("query", settings["query"]), ("sort", "date"), ("limit", str(_ISSUES))]
        if window.page:
            query.append(("cursor", window.page))
        request = _request("issues/", settings, tuple(query))
        answer = yield from ask(request, now)
        issues = [as_mapping(issue) for issue in as_list(json_of(request, answer))]
        fresh = [issue for issue in issues if as_time(issue.get("lastSeen"), now) >= window.since]
        events = []
        for issue in fresh:
            number = as_text(issue.get("id")) or ""
            if _NUMBER.fullmatch(number):
                found = yield from ask_json(_request(f"issues/{number}/events/latest/", settings), now)
                events.append(_event(as_mapping(found), issue, now))
        following = _NEXT.search(answer.headers.get("link", "")[:4_000])
        page = following[1] if following and fresh and len(fresh) == len(issues) else None
        return Pulled(tuple(events), window.turn(page), bool(page) or window.is_behind(now))


def _event(found: Mapping[str, Any], issue: Mapping[str, Any], now: datetime) -> ErrorEvent:
    return read_event(
        found,
        now,
        kind="event",
        project=first_text(dig(issue, "project", "slug")),
        issue=as_text(issue.get("id")),
        link=as_link(issue.get("permalink")),
    )


def _request(path: str, settings: Settings, query: tuple[tuple[str, str], ...] = ()) -> PullRequest:
    headers = {"Authorization": f"Bearer {settings['token']}", "Accept": "application/json"}
    return PullRequest(
        f"{base_url(settings)}/api/0/organizations/{settings['organization']}/{path}", headers=headers, query=query
    )
