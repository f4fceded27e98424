"""CloudWatch Logs Insights: the lines that a query finds in some log groups.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetQueryResults.html
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.aws_ask import aws_request
from connectors.log_line import LogLines
from connectors.pull import (
    Exchange,
    Pulled,
    PullError,
    PullLater,
    PullRefused,
    PullRequest,
    Settings,
    ask_json,
    found_at,
    page_of,
)
from connectors.pull_window import Window
from connectors.values import as_list, as_mapping, as_text, as_time, dig, key_of

_ROWS = 1_000
_MOST_GROUPS = 50
_WAITS = (0.5, 1.0, 2.0, *[4.0] * 20)  # seconds between two looks at a query that runs
_OWN = re.compile(r"(?i)(?:^|\|)\s*(stats|sort|limit|dedup|display|source)\b")
_ENDED = {"Failed": "has failed", "Cancelled": "was cancelled", "Timeout": "took too long"}


def check_query(settings: Settings) -> None:
    """Raise `PullRefused` for a query that gives no lines, or orders them in its own way."""
    if found := _OWN.search(settings["query"]):
        raise PullRefused(f"query must give lines as they are, such as filter @message like /denied/: no {found[1]}")
    if not 0 < len(groups_of(settings)) <= _MOST_GROUPS:
        raise PullRefused("log_group must name 1 to 50 log groups, with commas between")


def groups_of(settings: Settings) -> list[str]:
    """The log groups that the settings name."""
    return [name for one in settings.get("log_group", "").split(",") if (name := one.strip())]


def pull_insights(settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
    """The next thousand lines that the query finds. A full page is followed by one that begins at its last second."""
    window = Window.read(cursor, now)
    since = int(window.page or window.since.timestamp())
    found = yield from _run(settings, since, int(window.until.timestamp()), now)
    lines, rows = LogLines(found_at(now)), [_row(row) for row in as_list(dig(found, "results"))]
    last = since
    for row in rows:
        _add(lines, row)
        last = max(last, int(as_time(row.get("@timestamp"), now).timestamp()))
    if len(rows) < _ROWS:
        return page_of(lines, window, None, now)
    page = page_of(lines, window, str(max(last, since + 1)), now)
    matched = dig(found, "statistics", "recordsMatched")
    is_stuck = last == since and isinstance(matched, int | float)  # one second with more lines than a page
    return replace(page, passed_over=page.passed_over + max(0, int(matched) - len(rows))) if is_stuck else page


def _run(settings: Settings, since: int, until: int, now: datetime) -> Exchange[Mapping[str, Any]]:
    question = {
        "logGroupNames": groups_of(settings),
        "startTime": since,
        "endTime": max(since, until),
        "queryString": "fields @timestamp, @message, @logStream, @log\n"
        f"| {settings['query'].strip().strip('|')}\n| sort @timestamp asc\n| limit {_ROWS}",
    }
    begun = yield from ask_json(_request(settings, "StartQuery", question), now)
    query = as_text(dig(begun, "queryId"))
    if not query:
        raise PullError("CloudWatch Logs gave no id of the query")
    for wait in _WAITS:
        found = yield from ask_json(replace(_request(settings, "GetQueryResults", {"queryId": query}), wait=wait), now)
        status = as_text(dig(found, "status"))
        if status == "Complete":
            return as_mapping(found)
        if status in _ENDED:
            raise PullLater(f"the Logs Insights query {_ENDED[status]}")
    yield from ask_json(_request(settings, "StopQuery", {"queryId": query}), now)
    raise PullLater("the Logs Insights query takes longer than a minute and a half: let it read less")


def _request(settings: Settings, action: str, question: Mapping[str, Any]) -> PullRequest:
    return aws_request(settings, "logs", f"Logs_20140328.{action}", question)


def _row(row: Any) -> dict[str, Any]:
    fields = map(as_mapping, as_list(row))
    return {name: field.get("value") for field in fields if (name := as_text(field.get("field")))}


def _add(lines: LogLines, row: Mapping[str, Any]) -> None:
    group = (as_text(row.get("@log")) or "").rpartition(":")[2]  # after the id of the account
    told = (row.get("@log"), row.get("@logStream"), row.get("@timestamp"), row.get("@message"))
    lines.add(
        row.get("@message"),
        identity=key_of(*told),  # @ptr is not said to be the same in another query
        time=row.get("@timestamp"),
        service_name=group.rpartition("/")[2] or None,
        attributes={"aws.log.group": group, "aws.log.stream": row.get("@logStream")},
    )
