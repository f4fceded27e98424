"""A Cloud Logging entry, audit records of refused calls among them.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.log_line import read_log_line
from connectors.values import (
    as_list,
    as_mapping,
    as_status,
    as_text,
    as_time,
    attributes_of,
    compact_json,
    dig,
    first_text,
)

_AUDIT_FIELDS = (
    "status authenticationInfo authorizationInfo serviceName methodName resourceName requestMetadata metadata"
).split()


def is_log_entry(value: Mapping[str, Any]) -> bool:
    """Whether the object is a log entry."""
    return isinstance(value.get("logName"), str) and any(
        name in value for name in ("protoPayload", "jsonPayload", "textPayload")
    )


def read_log_entry(entry: Mapping[str, Any], identity: str, received_at: datetime) -> ErrorEvent | None:
    """The event of an entry that looks like a failure, else None."""
    payload = as_mapping(entry.get("protoPayload"))
    if payload.get("serviceName"):
        return _read_audit(entry, payload, identity, received_at)
    line = entry.get("jsonPayload") or as_text(entry.get("textPayload"))
    event = read_log_line(
        dict(line) if isinstance(line, dict) else line,
        identity=_identity(entry, identity),
        time=as_time(entry.get("timestamp"), received_at),
        received_at=received_at,
        service_name=_service(entry),
        severity=as_text(entry.get("severity")),
        attributes=dict(_resource_facts(entry)),
    )
    status = as_status(dig(entry, "httpRequest", "status"))
    return replace(event, http_status=status) if event and status and not event.http_status else event


def _read_audit(
    entry: Mapping[str, Any], payload: Mapping[str, Any], identity: str, received_at: datetime
) -> ErrorEvent | None:
    """A call that failed. Its text is the record itself, since rules read principal, permission and resource there."""
    code = dig(payload, "status", "code")
    refused = [one for one in as_list(payload.get("authorizationInfo")) if as_mapping(one).get("granted") is not True]
    if not code and not refused:
        return None
    told = {name: payload[name] for name in _AUDIT_FIELDS if payload.get(name) not in (None, "", [], {})}
    return ErrorEvent(
        id=_identity(entry, identity),
        text=compact_json(told),
        type="gcp.audit",
        time=as_time(entry.get("timestamp"), received_at),
        service_name=first_text(dig(payload, "authenticationInfo", "principalEmail"), _service(entry)),
        severity=(as_text(entry.get("severity")) or "error").lower(),
        attributes=attributes_of(
            [
                ("gcp.service", payload.get("serviceName")),
                ("gcp.method", payload.get("methodName")),
                *_resource_facts(entry),
            ]
        ),
    )


def _identity(entry: Mapping[str, Any], identity: str) -> str:
    """`insertId` is unique within a log and a time: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry"""
    own = as_text(entry.get("insertId"))
    return f"{own}:{as_text(entry.get('timestamp')) or ''}" if own else identity


def _service(entry: Mapping[str, Any]) -> str | None:
    labels = as_mapping(dig(entry, "resource", "labels"))
    names = ("service_name", "function_name", "container_name", "job_name", "job_id", "module_id", "instance_id")
    return first_text(*(labels.get(name) for name in names), dig(entry, "resource", "type"))


def _resource_facts(entry: Mapping[str, Any]) -> list[tuple[str, Any]]:
    labels = as_mapping(dig(entry, "resource", "labels"))
    return [
        ("gcp.project", labels.get("project_id")),
        ("gcp.resource", dig(entry, "resource", "type")),
        ("gcp.log", entry.get("logName")),
        ("k8s.namespace.name", labels.get("namespace_name")),
        ("k8s.cluster.name", labels.get("cluster_name")),
    ]
