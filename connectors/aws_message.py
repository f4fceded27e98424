"""What AWS puts into a message, whoever carries it: CloudWatch alarms, EventBridge events, CloudTrail records, text.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent, Unparseable
from connectors.bodies import read_json
from connectors.values import as_mapping, as_text, as_time, attributes_of, compact_json, dig, first_text, join_texts

_RECORD_FIELDS = (
    "eventTime eventSource eventName awsRegion errorCode errorMessage userIdentity requestParameters resources "
    "recipientAccountId vpcEndpointId additionalEventData sourceIPAddress"
).split()


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
    if not text:
        return None
    return ErrorEvent(
        id=identity,
        text=text,
        type=as_text(value.get("detail-type")) or "aws.event",
        time=as_time(value.get("time"), received_at),
        service_name=as_text(value.get("source")),
        grouping_key=first_text(*(value.get("resources") or [])) if isinstance(value.get("resources"), list) else None,
        attributes=facts,
    )


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
    dimensions = {
        str(one.get("name")): one.get("value") for one in trigger.get("Dimensions") or [] if isinstance(one, dict)
    }
    function = first_text(dimensions.get("FunctionName"), dimensions.get("ServiceName"), dimensions.get("LogGroupName"))
    return ErrorEvent(
        id=identity,
        text=join_texts(as_text(value.get(name)) for name in ("AlarmName", "AlarmDescription", "NewStateReason")),
        type="aws.cloudwatch.alarm",
        time=as_time(value.get("StateChangeTime"), received_at),
        state="resolved" if value.get("NewStateValue") == "OK" else "firing",
        service_name=function or as_text(trigger.get("Namespace")),
        grouping_key=first_text(value.get("AlarmArn"), value.get("AlarmName")),
        attributes=attributes_of(
            (
                ("cloud.account.id", value.get("AWSAccountId")),
                ("aws.metric", trigger.get("MetricName")),
                *((f"aws.dimension.{name}", of) for name, of in dimensions.items()),
            )
        ),
    )


def _object(text: str) -> Mapping[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        return as_mapping(read_json(text.encode("utf-8", "replace")))
    except Unparseable:
        return {}
