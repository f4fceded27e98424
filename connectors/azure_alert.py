"""Azure Monitor's alerts in their common schema, and entries of the Activity Log.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.values import (
    as_link,
    as_list,
    as_mapping,
    as_text,
    as_time,
    attributes_of,
    compact_json,
    dig,
    first_text,
    join_texts,
)

SCHEMA = "azureMonitorCommonAlertSchema"
_LONGEST_QUERY = 4_000
_BEGAN, _ENDED = "SearchIntervalStartTimeUtc", "SearchIntervalEndtimeUtc"  # log alerts of before 2021
_SEVERITIES = {"Sev0": "critical", "Sev1": "error", "Sev2": "warning", "Sev3": "info", "Sev4": "debug"}


def read_alert(value: Mapping[str, Any], received_at: datetime) -> ErrorEvent | None:
    """The event of an alert in the common schema; None for one without an id."""
    essentials = as_mapping(dig(value, "data", "essentials"))
    context = as_mapping(dig(value, "data", "alertContext"))
    alert, condition = as_text(essentials.get("alertId")), as_text(essentials.get("monitorCondition")) or "Fired"
    if alert is None:
        return None
    resource = first_text(*as_list(essentials.get("alertTargetIDs")), *as_list(essentials.get("configurationItems")))
    fired = first_text(essentials.get("firedDateTime"), essentials.get("resolvedDateTime"))
    custom = as_mapping(dig(value, "data", "customProperties"))
    return ErrorEvent(
        id=f"{alert}:{condition}:{fired or ''}",
        text=join_texts([*map(as_text, (essentials.get("alertRule"), essentials.get("description"))), *_said(context)])
        or alert,
        type="azure.alert",
        time=as_time(fired, received_at),
        state="resolved" if condition.lower() == "resolved" else "firing",
        service_name=first_text(custom.get("service"), (resource or "").rpartition("/")[2]),
        environment=first_text(custom.get("environment"), custom.get("env")),
        severity=_SEVERITIES.get(as_text(essentials.get("severity")) or ""),
        url=as_link(first_text(*_links(context), essentials.get("investigationLink"))),
        grouping_key=alert,
        attributes={
            **attributes_of([("azure.resource_id", resource), ("azure.signal", essentials.get("signalType"))]),
            **_search(context),
        },
    )


def _search(context: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """What a log alert searched for and when, where it does not bring the rows: without them it is no evidence."""
    condition = as_mapping(next(iter(as_list(dig(context, "condition", "allOf"))), None))
    query = first_text(condition.get("searchQuery"), context.get("SearchQuery"))
    if query is None or len(query) > _LONGEST_QUERY or "SearchResults" in context:
        return {}
    known = [as_mapping(one) for one in as_list(condition.get("dimensions"))]
    times = (
        ("azure.window_start", first_text(dig(context, "condition", "windowStartTime"), context.get(_BEGAN))),
        ("azure.window_end", first_text(dig(context, "condition", "windowEndTime"), context.get(_ENDED))),
    )
    told = [(f"azure.dimension.{as_text(one.get('name'))}", as_text(one.get("value"))) for one in known]
    return {"azure.query": query, **attributes_of([*times, *told])}


def read_activity(entry: Mapping[str, Any], identity: str, received_at: datetime) -> ErrorEvent | None:
    """The event of an operation of the Activity Log that failed, else None."""
    status = first_text(
        dig(entry, "status", "value"), entry.get("status"), entry.get("resultType"), entry.get("result")
    )
    if (status or "").lower() not in {"failed", "failure"}:
        return None
    resource = first_text(entry.get("resourceUri"), entry.get("resourceId"), entry.get("subject"))
    return ErrorEvent(
        id=first_text(entry.get("eventDataId")) or identity,
        text=join_texts(_activity(entry)),
        type="azure.activity",
        time=as_time(first_text(entry.get("eventTimestamp"), entry.get("time")), received_at),
        service_name=first_text(entry.get("caller"), dig(entry, "claims", "appid")),
        attributes=attributes_of(
            [("azure.resource_id", resource), ("azure.correlation_id", entry.get("correlationId"))]
        ),
    )


def _links(context: Mapping[str, Any]) -> Iterator[Any]:
    for condition in map(as_mapping, as_list(dig(context, "condition", "allOf"))):
        yield from (condition.get("linkToFilteredSearchResultsUI"), condition.get("linkToSearchResultsUI"))
    yield from (context.get("LinkToFilteredSearchResultsUI"), context.get("LinkToSearchResults"))


def _said(context: Mapping[str, Any]) -> Iterator[str | None]:
    """What the alert's own context says of the failure: search results, dimensions, the refused operation."""
    yield from _activity(context)
    for condition in as_list(dig(context, "condition", "allOf")):
        pairs = [as_mapping(pair) for pair in as_list(as_mapping(condition).get("dimensions"))]
        yield from (as_text(pair.get("value")) for pair in pairs)
    for row in as_list(dig(context, "SearchResults", "tables")):
        yield compact_json(as_mapping(row).get("rows"))


def _activity(entry: Mapping[str, Any]) -> Iterator[str | None]:
    properties = as_mapping(entry.get("properties"))
    message = first_text(properties.get("statusMessage"), properties.get("message"), entry.get("resultDescription"))
    operation = first_text(
        dig(entry, "authorization", "action"), dig(entry, "operationName", "value"), entry.get("operationName")
    )
    yield message
    if message or operation:
        yield f"operation: {operation}" if operation else None
        yield f"caller: {caller}" if (caller := as_text(entry.get("caller"))) else None
        yield f"scope: {scope}" if (scope := as_text(dig(entry, "authorization", "scope"))) else None
