"""Grafana: the lines of Loki that an alert rule counted, which its notification lacks.

Asked of Grafana itself, at the connection's own address: the rule by its id, then its query by the data source's id.

https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/
https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#query-a-data-source
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.base import ErrorEvent
from connectors.logql import lines_query
from connectors.pull import (
    Exchange,
    PullError,
    PullGone,
    PullNothing,
    PullRequest,
    Settings,
    ask_json,
    base_url,
    post_json,
)
from connectors.pull_window import milliseconds
from connectors.quoted_lines import quote_lines
from connectors.values import as_list, as_mapping, as_text, dig

_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")
_RULE_PATH = re.compile(r"/alerting/grafana/([A-Za-z0-9_-]{1,60})/view(?:\?|$)")
_RULES = ("/api/ruler/grafana/api/v1/rule/", "/api/v1/provisioning/alert-rules/")  # the first since Grafana 11
_LINES = 100
_BEFORE, _AFTER, _LONGEST = timedelta(minutes=5), timedelta(minutes=1), 6 * 3_600


def rule_of(event: ErrorEvent) -> str | None:
    """The id of the rule that an alert is of, from its label or its link."""
    label = str(event.attributes.get("__alert_rule_uid__", ""))
    found = _RULE_PATH.search(event.url or "")
    return label if _ID.fullmatch(label) else found[1] if found else None


def quote_rule(event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
    """The event with the lines that its rule counted. Raises `PullNothing` where the rule reads no log of Loki."""
    rule = rule_of(event)
    if rule is None:
        raise PullNothing("The alert names no rule of Grafana that a query could be read from")
    queries = list(_queries((yield from _rule(rule, settings, now)), event))
    if not queries:
        raise PullNothing("The alert's rule reads no log of Loki, so no line is behind it")
    lines: list[str] = []
    for source, query, span in queries:
        lines += yield from _lines(source, query, (event.time - span - _BEFORE, event.time + _AFTER), settings, now)
    if not lines:
        raise PullGone("Loki has no line that the alert's rule could have counted")
    return quote_lines(event, lines, now)


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings['token']}", "Accept": "application/json"}


def _rule(rule: str, settings: Settings, now: datetime) -> Exchange[Any]:
    """The rule as the API that a Viewer may read has it, else as the one for provisioning."""
    newer, older = (PullRequest(f"{base_url(settings)}{path}{rule}", headers=_headers(settings)) for path in _RULES)
    try:
        return (yield from ask_json(newer, now))
    except PullGone:
        return (yield from ask_json(older, now))


def _queries(rule: Any, event: ErrorEvent) -> Iterator[tuple[str, str, timedelta]]:
    """The data source, the query and how far it looks back, of each that reads lines of Loki."""
    labels = {name: value for name, value in event.attributes.items() if isinstance(value, str)}
    own = {"service": event.service_name, "environment": event.environment, "severity": event.severity}
    labels |= {name: value for name, value in own.items() if value}
    for told in map(as_mapping, as_list(dig(rule, "grafana_alert", "data")) or as_list(dig(rule, "data"))):
        model, source = as_mapping(told.get("model")), as_text(told.get("datasourceUid")) or ""
        kind = as_text(dig(model, "datasource", "type")) or "loki"
        query = lines_query(as_text(model.get("expr")) or "", labels)
        if query and kind == "loki" and _ID.fullmatch(source):
            since = dig(told, "relativeTimeRange", "from")
            yield source, query, timedelta(seconds=min(max(since, 0), _LONGEST) if isinstance(since, int) else 0)


def _lines(
    source: str, query: str, window: tuple[datetime, datetime], settings: Settings, now: datetime
) -> Exchange[list[str]]:
    asked = {
        "refId": "A",
        "datasource": {"type": "loki", "uid": source},
        "expr": query,
        "queryType": "range",
        "direction": "backward",
        "maxLines": _LINES,
    }
    since, until = (str(milliseconds(moment)) for moment in window)
    question = {"queries": [asked], "from": since, "to": until}
    found = yield from ask_json(post_json(f"{base_url(settings)}/api/ds/query", question, _headers(settings)), now)
    result = as_mapping(dig(found, "results", "A"))
    if told := as_text(result.get("error")):
        raise PullError(f"Grafana could not ask Loki: {told[:200]}")
    return [line for frame in as_list(result.get("frames")) for line in _column(frame)]


def _column(frame: Mapping[str, Any]) -> list[str]:
    """The lines of a data frame; their column is `Line`, or `body` in the newer form."""
    names = [as_text(dig(one, "name")) for one in as_list(dig(frame, "schema", "fields"))]
    columns = as_list(dig(frame, "data", "values"))
    for name, column in zip(names, columns, strict=False):
        if name in ("Line", "body"):
            return [text for value in as_list(column) if (text := as_text(value))]
    return []
