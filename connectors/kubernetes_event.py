"""A warning of Kubernetes, an object of the kind Event: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.values import as_mapping, as_text, as_time, attributes_of, dig, first_text, join_texts, key_of


def read_warning(item: Mapping[str, Any], now: datetime) -> ErrorEvent | None:
    """The event of a warning, None for one of another type. Each time that it is counted again is one more event."""
    if as_text(item.get("type")) not in {"Warning", None}:
        return None
    about = involved(item)
    name, kind = as_text(about.get("name")), as_text(about.get("kind"))
    identity = first_text(dig(item, "metadata", "uid")) or key_of(repr(about), as_text(item.get("message")))
    count = first_text(dig(item, "series", "count"), item.get("count"), item.get("deprecatedCount"))
    return ErrorEvent(
        id=f"{identity}:{count or ''}",
        text=join_texts([as_text(item.get("reason")), first_text(item.get("message"), item.get("note"))]) or identity,
        type="kubernetes.event",
        time=time_of(item, now),
        service_name=name,
        severity=(as_text(item.get("type")) or "").lower() or None,
        attributes=attributes_of([("k8s.namespace.name", about.get("namespace")), ("k8s.kind", kind)]),
    )


def involved(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the warning is about: kind, namespace, name, uid."""
    return as_mapping(item.get("involvedObject") or item.get("regarding"))


def time_of(item: Mapping[str, Any], now: datetime) -> datetime:
    """When the warning was last counted."""
    told = first_text(
        dig(item, "series", "lastObservedTime"),
        item.get("lastTimestamp"),
        item.get("deprecatedLastTimestamp"),
        item.get("eventTime"),
        dig(item, "metadata", "creationTimestamp"),
    )
    return as_time(told, now)
