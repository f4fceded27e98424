"""CloudTrail: the calls that were refused, read-only ones among them, of the last 90 days.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.aws_ask import AWS_SETTINGS, aws_request, check_region
from connectors.aws_message import read_eventbridge
from connectors.base import ErrorEvent, Unparseable
from connectors.bodies import read_json
from connectors.pull import Exchange, Pulled, Puller, Settings, ask_json
from connectors.pull_window import Window
from connectors.values import as_list, as_mapping, as_text, dig

_LATE = timedelta(minutes=20)  # an event stands in the trail up to a quarter of an hour after its call
_PAUSE = 0.5  # two requests a second are allowed


class CloudTrailEvents(Puller):
    """Reads all management events of one region, two requests a second at most; keeps those with an error."""

    every = 300
    settings = AWS_SETTINGS

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for a region or an address that is none."""
        check_region(settings, "cloudtrail")

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next fifty events, under the ids that CloudTrail gave them."""
        window = Window.read(cursor, now)
        question: dict[str, Any] = {
            "StartTime": int(window.since.timestamp()),
            "EndTime": int(window.until.timestamp()),
            "MaxResults": 50,
        }
        if window.page:
            question["NextToken"] = window.page
        target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
        request = aws_request(settings, "cloudtrail", target, question)
        found = yield from ask_json(replace(request, wait=_PAUSE if window.page else 0.0), now)
        told = [as_mapping(event) for event in as_list(dig(found, "Events"))]
        events = tuple(event for one in told if (event := _event(one, now)))
        page = as_text(dig(found, "NextToken"))
        more = page is not None or window.is_behind(now)
        return Pulled(events, window.turn(page, _LATE), more, len(told) - len(events))


def _event(told: Mapping[str, Any], now: datetime) -> ErrorEvent | None:
    try:
        detail = as_mapping(read_json((as_text(told.get("CloudTrailEvent")) or "{}").encode("utf-8", "replace")))
    except Unparseable:
        return None
    if not as_text(detail.get("errorCode")):
        return None
    wrapped = {
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{(as_text(detail.get('eventSource')) or '').partition('.')[0]}",
        "account": detail.get("recipientAccountId"),
        "region": detail.get("awsRegion"),
        "time": detail.get("eventTime"),
        "detail": dict(detail),
    }
    return read_eventbridge(wrapped, as_text(detail.get("eventID")) or as_text(told.get("EventId")) or "?", now)
