"""CloudWatch Logs: the lines of a log group, by a filter or a query of Logs Insights.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from datetime import datetime

from connectors.aws_ask import AWS_SETTINGS, aws_request, check_region
from connectors.aws_insights import check_query, pull_insights
from connectors.log_line import LogLines
from connectors.pull import Exchange, Pulled, Puller, PullSetting, Settings, ask_json, found_at, page_of
from connectors.pull_window import Window, milliseconds
from connectors.values import as_list, as_mapping, as_text, dig

_LINES = 1_000


class CloudWatchLogs(Puller):
    """Reads forward in time; of the lines, those that look like a failure are kept."""

    every = 120
    settings = (
        PullSetting("log_group", "The log group, such as /aws/lambda/export; with a query several, by commas."),
        PullSetting("filter", "A filter pattern, to read less.", required=False),
        PullSetting(
            "query",
            "Or a Logs Insights query, such as filter @message like /denied/; AWS bills what it scans.",
            required=False,
        ),
        *AWS_SETTINGS,
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for a region, an address or a query that is none."""
        check_region(settings, "logs")
        if settings.get("query"):
            check_query(settings)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next thousand lines, under the ids that a subscription sends them with."""
        if settings.get("query"):
            return (yield from pull_insights(settings, cursor, now))
        window, group = Window.read(cursor, now), settings["log_group"]
        question = {
            "logGroupName": group,
            "startTime": milliseconds(window.since),
            "endTime": milliseconds(window.until),
            "limit": _LINES,
        }
        if settings.get("filter"):
            question["filterPattern"] = settings["filter"]
        if window.page:
            question["nextToken"] = window.page
        target = "Logs_20140328.FilterLogEvents"
        found = yield from ask_json(aws_request(settings, "logs", target, question), now)
        lines = LogLines(found_at(now))
        for line in map(as_mapping, as_list(dig(found, "events"))):
            lines.add(
                line.get("message"),
                identity=as_text(line.get("eventId")),
                time=line.get("timestamp"),
                service_name=group.rpartition("/")[2] or None,
                attributes={"aws.log.group": group, "aws.log.stream": line.get("logStreamName")},
            )
        return page_of(lines, window, as_text(dig(found, "nextToken")), now)
