"""What AWS puts into a message, whoever carries it: CloudWatch alarms, EventBridge events, CloudTrail records, text.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.base import ErrorEvent, Unparseable
from connectors.bodies import read_json
from connectors.values import (
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

_RECORD_FIELDS = (
    "eventTime eventSource eventName awsRegion errorCode errorMessage userIdentity requestParameters resources "
    "recipientAccountId vpcEndpointId additionalEventData sourceIPAddress"
).split()
_SUBJECTS = ("stateMachineArn", "pipeline", "project-name", "jobName", "functionName", "group", "alarmName")


def read_message(text: str, identity: str, received_at: datetime) -> ErrorEvent | None:
    """The event in a message, None where it tells of nothing that failed. `identity` is the carrier's own id of it."""
    value = _object(text)
    if "AlarmName" in value:
        return _alarm(value, identity, received_at)
    if "detail-type" in value:
        return read_eventbridge(value, identity, received_at)
    message = text.strip()
    return ErrorEvent(id=identity, text=message, type="aws.message", time=received_at) if message else None


def read_eventbridge(value: Mapping[str, Any], identity: str, received_at: datetime) -> ErrorEvent | None:
    """An EventBridge event: a CloudTrail record that failed, else what its detail says."""
    detail = as_mapping(value.get("detail"))
    facts = attributes_of((("cloud.account.id", value.get("account")), ("cloud.region", value.get("region"))))
    if "eventSource" in detail:
        return read_cloudtrail(detail, identity, received_at)
    said = [first_text(detail.get("errorMessage"), detail.get("message"), detail.get("cause"), detail.get("reason"))]
    text = join_texts([as_text(value.get("detail-type")), *said, compact_json(detail)])
    is_over = dig(detail, "state", "value") == "OK"
    if not text:
        return None
    return ErrorEvent(
        id=identity,
        text=text,
        type=as_text(value.get("detail-type")) or "aws.event",
        time=as_time(value.get("time"), received_at),
        state="resolved" if is_over else "firing",
        service_name=_subject(detail) or as_text(value.get("source")),
        exception_type=as_text(detail.get("error")) if isinstance(detail.get("error"), str) else None,
        grouping_key=first_text(*(value.get("resources") or [])) if isinstance(value.get("resources"), list) else None,
        attributes=facts,
    )


def _subject(detail: Mapping[str, Any]) -> str | None:
    """The pipeline, project, job, service or state machine that an event is about."""
    name = first_text(*(detail.get(one) for one in _SUBJECTS))
    return name.rpartition("/")[2].rpartition(":")[2] if name else None


def read_cloudtrail(record: Mapping[str, Any], identity: str, received_at: datetime) -> ErrorEvent | None:
    """A CloudTrail record of a call that failed, None for one that did not."""
    code = as_text(record.get("errorCode"))
    if code is None:
        return None
    told = {name: record[name] for name in _RECORD_FIELDS if record.get(name) not in (None, "", [], {})}
    source = as_text(record.get("eventSource"))
    return ErrorEvent(
        id=first_text(record.get("eventID")) or identity,
        text=compact_json(told),
        type="aws.cloudtrail",
        time=as_time(record.get("eventTime"), received_at),
        service_name=first_text(
            dig(record, "userIdentity", "sessionContext", "sessionIssuer", "userName"),
            dig(record, "userIdentity", "userName"),
            dig(record, "userIdentity", "invokedBy"),
        ),
        exception_type=code,
        attributes=attributes_of(
            (
                ("aws.service", source),
                ("aws.operation", record.get("eventName")),
                ("aws.request_id", record.get("requestID")),
                ("cloud.account.id", record.get("recipientAccountId")),
                ("cloud.region", record.get("awsRegion")),
            )
        ),
    )


def _alarm(value: Mapping[str, Any], identity: str, received_at: datetime) -> ErrorEvent:
    trigger = as_mapping(value.get("Trigger"))
    metric, period = _metric(trigger)
    dimensions = {str(one.get("name")): one.get("value") for one in map(as_mapping, as_list(metric.get("Dimensions")))}
    function = first_text(dimensions.get("FunctionName"), dimensions.get("ServiceName"), dimensions.get("LogGroupName"))
    arn = as_text(value.get("AlarmArn")) or ""
    return ErrorEvent(
        id=identity,
        text=join_texts(as_text(value.get(name)) for name in ("AlarmName", "AlarmDescription", "NewStateReason")),
        type="aws.cloudwatch.alarm",
        time=as_time(value.get("StateChangeTime"), received_at),
        state="resolved" if value.get("NewStateValue") == "OK" else "firing",
        service_name=function or as_text(metric.get("Namespace")),
        url=_console(arn),
        grouping_key=first_text(arn, value.get("AlarmName")),
        attributes=attributes_of(
            (
                ("cloud.account.id", value.get("AWSAccountId")),
                ("cloud.region", _region(arn)),
                ("aws.metric", metric.get("MetricName")),
                ("aws.namespace", metric.get("Namespace")),
                ("aws.alarm.seconds", _seconds(period, trigger.get("EvaluationPeriods"))),
                *((f"aws.dimension.{name}", of) for name, of in dimensions.items()),
            )
        ),
    )


def _metric(trigger: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """The metric that an alarm watches and its period; of an expression over several, the first that it names."""
    for one in as_list(trigger.get("Metrics")):
        stat = as_mapping(dig(one, "MetricStat"))
        if metric := as_mapping(stat.get("Metric")):
            return metric, stat.get("Period")
    return trigger, trigger.get("Period")


def _seconds(period: Any, count: Any) -> int | None:
    """How long the alarm looked back before it changed."""
    if isinstance(period, int) and isinstance(count, int):
        return period * count
    return None


def _region(arn: str) -> str | None:
    parts = arn.split(":")
    return parts[3] if len(parts) > 6 and re.fullmatch(r"[a-z0-9-]{5,30}", parts[3]) else None


def _console(arn: str) -> str | None:
    region, name = _region(arn), arn.split(":", 6)[-1]
    if region is None or not arn.startswith("arn:aws:"):
        return None
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{quote(name, '')}"


def _object(text: str) -> Mapping[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        return as_mapping(read_json(text.encode("utf-8", "replace")))
    except Unparseable:
        return {}
