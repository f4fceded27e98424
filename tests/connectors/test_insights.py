"""CloudWatch Logs Insights is asked for lines, waited for, and read on from the last second of a full page."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from vendor_api import Answer, Asked, Vendor, vendor_api

from connectors.aws_firehose import CONNECTOR
from connectors.pull import Pulled, PullLater
from service.pull_settings import PullSettingsError, complete
from service.worker.cloud_proof import prove
from service.worker.exchange import drive

REGION, DENIED = "eu-central-1", "ERROR: permission denied for table orders"
KEYS = {"region": REGION, "access_key_id": "testing", "secret_access_key": "testing"}
QUERY = {"log_group": "/shop/orders, /shop/refunds", "query": "filter @message like /denied/"}
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def settings_of(**more: str) -> dict[str, str]:
    return complete({**KEYS, **QUERY, **more}, CONNECTOR)


def pull(
    settings: Mapping[str, str], now: datetime, cursor: str | None = None, waited: list[float] | None = None
) -> Pulled:
    async def pause(seconds: float) -> None:
        (waited if waited is not None else []).append(seconds)

    puller = CONNECTOR.pulls
    assert puller
    exchange = puller.pull(settings, cursor, now)
    return asyncio.run(drive(exchange, lambda request: prove(request, settings), pause))


def test_the_lines_of_several_groups_are_found_in_the_service_that_moto_plays() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url, now = f"http://{host}:{port}", datetime.now(UTC)
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        logs: Any = boto3.client("logs", REGION, endpoint_url=url, **keys)
        for number, group in enumerate(("/shop/orders", "/shop/refunds")):
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="one")
            moment = int((now - timedelta(minutes=5 - number)).timestamp() * 1000)
            told = [{"timestamp": moment + at, "message": text} for at, text in enumerate((DENIED, "GET / 200"))]
            logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=told)
        first = pull(settings_of(url=url), now)
        again = pull(settings_of(url=url), now)
    finally:
        server.stop()
    assert {event.service_name for event in first.events} == {"orders", "refunds"}
    assert {event.text for event in first.events} == {DENIED}
    assert {event.id for event in again.events} == {event.id for event in first.events}
    assert (first.passed_over, first.more) == (2, False)


class Insights:
    """A double of the two calls: a query runs for a while, and gives so many lines a second from its start on."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor, self.looks, self.status = vendor, 0, "Complete"
        self.lines_a_second, self.limited = 400, False
        self.asked: dict[str, Any] = {}
        vendor.route("POST", "/", self.answer)

    def answer(self, asked: Asked) -> Answer:
        action = asked.headers["x-amz-target"].partition(".")[2]
        if action == "StartQuery":
            self.asked = asked.json
            told = {"__type": "LimitExceededException"}
            return Answer(told, 400) if self.limited else Answer({"queryId": "q-1"})
        assert asked.json == {"queryId": "q-1"}
        if action == "StopQuery":
            return Answer({"success": True})
        self.looks -= 1
        return Answer({"status": "Running"} if self.looks >= 0 else {"status": self.status, **self._results()})

    def _results(self) -> dict[str, Any]:
        start, end = self.asked["startTime"], self.asked["endTime"]
        matched = (end - start + 1) * self.lines_a_second
        rows = [self._row(start + number // self.lines_a_second, number) for number in range(min(1_000, matched))]
        return {"results": rows, "statistics": {"recordsMatched": float(matched)}}

    def _row(self, second: int, number: int) -> list[dict[str, str]]:
        moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S.000")
        text = f"{DENIED} {second} {number % self.lines_a_second}"
        told = {"@timestamp": moment, "@message": text, "@logStream": "s", "@log": "1112:/shop/orders", "@ptr": "x"}
        return [{"field": name, "value": value} for name, value in told.items()]


@pytest.fixture
def insights() -> Iterator[Insights]:
    with vendor_api() as running:
        yield Insights(running)


def test_a_full_page_goes_on_at_its_last_second_and_a_query_is_waited_for(insights: Insights) -> None:
    settings, waited = settings_of(url=insights.vendor.url), list[float]()
    insights.looks = 3
    first = pull(settings, NOW, waited=waited)
    assert waited == [0.5, 1.0, 2.0, 4.0]
    assert insights.asked["logGroupNames"] == ["/shop/orders", "/shop/refunds"]
    assert "\n| filter @message like /denied/\n| sort @timestamp asc\n" in insights.asked["queryString"]
    begin = insights.asked["startTime"]
    assert begin == int((NOW - timedelta(minutes=15)).timestamp())
    second = pull(settings, NOW, first.cursor)
    assert insights.asked["startTime"] == begin + 2
    ids = [event.id for event in (*first.events, *second.events)]
    assert len(ids) - len(set(ids)) == 200  # of the second at which both pages meet
    assert (first.more, first.events[0].service_name) == (True, "orders")
    assert first.events[0].time == NOW - timedelta(minutes=15)


def test_a_second_with_more_lines_than_a_page_is_left_and_counted(insights: Insights) -> None:
    insights.lines_a_second = 1_500
    settings = settings_of(url=insights.vendor.url)
    first = pull(settings, NOW)
    begin = insights.asked["startTime"]
    pull(settings, NOW, first.cursor)
    assert (first.more, insights.asked["startTime"] - begin) == (True, 1)
    assert first.passed_over >= 500


@pytest.mark.parametrize(
    ("status", "looks", "told"),
    [
        ("Failed", 0, "has failed"),
        ("Timeout", 0, "took too long"),
        ("Complete", 999, "longer than a minute and a half"),
    ],
)
def test_a_query_that_comes_to_nothing_is_tried_later(insights: Insights, status: str, looks: int, told: str) -> None:
    insights.status, insights.looks = status, looks
    with pytest.raises(PullLater, match=told):
        pull(settings_of(url=insights.vendor.url), NOW)
    stopped = insights.vendor.asked[-1].headers["x-amz-target"] == "Logs_20140328.StopQuery"
    assert stopped is (looks > 0)


def test_too_many_queries_at_once_are_a_limit(insights: Insights) -> None:
    insights.limited = True
    with pytest.raises(PullLater, match="limits how often"):
        pull(settings_of(url=insights.vendor.url), NOW)


@pytest.mark.parametrize(
    "wrong",
    [{"query": "stats count() by bin(5m)"}, {"query": "fields @message | limit 5"}, {"log_group": ","}],
)
def test_a_query_that_gives_no_lines_is_refused(wrong: Mapping[str, str]) -> None:
    with pytest.raises(PullSettingsError, match=r"(query|log_group) must"):
        settings_of(**wrong)
