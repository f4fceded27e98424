"""CloudWatch: the lines of a log that an alarm counted, which its notification lacks.

A metric filter says which log group makes the metric, and by which pattern; Lambda's own metrics belong to the log
group of their function. Needs the rights logs:DescribeMetricFilters and logs:FilterLogEvents, and no other.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeMetricFilters.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/FilterAndPatternSyntax.html
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.aws_ask import AWS_SETTINGS, aws_request, check_region
from connectors.base import ErrorEvent
from connectors.pull import Exchange, Puller, PullGone, PullNothing, Settings, ask_json
from connectors.pull_window import milliseconds
from connectors.quoted_lines import MOST_LINES, quote_lines
from connectors.values import as_list, as_mapping, as_text, dig

_FAILURES = " ".join(
    f"?{word}"
    for word in "ERROR Error Exception denied Denied DENIED AccessDenied AccessDeniedException forbidden Forbidden "
    "FORBIDDEN authorized Unauthorized UnauthorizedOperation permission Permission 403".split()
)
_GROUPS, _PAGES, _LINES = 3, 4, 100
_BEFORE, _AFTER, _LONGEST = timedelta(minutes=5), timedelta(minutes=1), 6 * 3_600


class AlarmLogs(Puller):
    """Reads log groups of one region."""

    settings = AWS_SETTINGS

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for a region or an address that is none."""
        check_region(settings, "logs")

    def lacks_text(self, event: ErrorEvent) -> bool:
        """An alarm tells of numbers; one that is made of other alarms has no metric to follow."""
        return event.state == "firing" and event.type == "aws.cloudwatch.alarm" and "aws.metric" in event.attributes

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the lines, and the log group as its service where it has none better."""
        region = event.attributes.get("cloud.region", settings["region"])
        if region != settings["region"]:
            raise PullNothing(
                f"The alarm is one of {region}, and this connection may read logs of {settings['region']}"
            )
        places = yield from _places(event, settings, now)
        for group, pattern in places:
            lines = yield from _lines(event, group, pattern, settings, now)
            if lines:
                return quote_lines(_placed(event, group), lines, now)
        raise PullGone(f"The log group {places[0][0]} has no line that the alarm could have counted")


def _places(event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[list[tuple[str, str]]]:
    """The log groups and patterns behind the alarm's metric, at least one. Raises `PullNothing` for no log's metric."""
    told = event.attributes
    namespace, metric = str(told.get("aws.namespace", "")), str(told["aws.metric"])
    if named := told.get("aws.dimension.LogGroupName"):
        return [(str(named), _FAILURES)]
    if namespace == "AWS/Lambda" and "aws.dimension.FunctionName" in told:
        return [(f"/aws/lambda/{told['aws.dimension.FunctionName']}", _FAILURES)]
    places: list[tuple[str, str]] = []
    if namespace and not namespace.startswith("AWS/"):
        question = {"metricName": metric, "metricNamespace": namespace}
        found = yield from ask_json(aws_request(settings, "logs", "Logs_20140328.DescribeMetricFilters", question), now)
        filters = [as_mapping(one) for one in as_list(dig(found, "metricFilters"))][:_GROUPS]
        told_places = ((as_text(one.get("logGroupName")), as_text(one.get("filterPattern"))) for one in filters)
        places = [(group, pattern or "") for group, pattern in told_places if group]
    if not places:
        raise PullNothing(f"No metric filter of a log makes the metric {namespace}/{metric}, so no line is behind it")
    return places


def _lines(event: ErrorEvent, group: str, pattern: str, settings: Settings, now: datetime) -> Exchange[list[str]]:
    """The messages of the time that the alarm looked at, oldest first; an answer may be empty and have a next page."""
    seconds = event.attributes.get("aws.alarm.seconds")
    span = timedelta(seconds=min(max(seconds, 0), _LONGEST) if isinstance(seconds, int) else 0)
    question: dict[str, Any] = {
        "logGroupName": group,
        "startTime": milliseconds(event.time - _BEFORE - span),
        "endTime": milliseconds(event.time + _AFTER),
        "limit": _LINES,
    }
    if pattern:
        question["filterPattern"] = pattern
    lines: list[str] = []
    for _ in range(_PAGES):
        found = yield from ask_json(aws_request(settings, "logs", "Logs_20140328.FilterLogEvents", question), now)
        lines += [text for one in as_list(dig(found, "events")) if (text := as_text(dig(one, "message")))]
        page = as_text(dig(found, "nextToken"))
        if page is None or len(lines) >= MOST_LINES:
            break
        question["nextToken"] = page
    return lines


def _placed(event: ErrorEvent, group: str) -> ErrorEvent:
    is_namespace = event.service_name == event.attributes.get("aws.namespace")
    service = group.rpartition("/")[2] if is_namespace else event.service_name
    return replace(event, service_name=service or None, attributes={**event.attributes, "aws.log.group": group})
