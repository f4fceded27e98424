"""What the labels of a stream of Loki say of its lines."""

from collections.abc import Mapping
from typing import Any

from connectors.values import as_text, first_text

_SERVICES = ("service_name", "service", "app", "job", "container", "pod", "unit")
_ENVIRONMENTS = ("environment", "env", "deployment_environment", "cluster")
_LEVELS = ("detected_level", "level", "severity")


def facts_of(labels: Mapping[str, Any], time: Any) -> dict[str, Any]:
    """What `LogLines.add` is told of a line, from the labels of its stream and its time in nanoseconds."""
    return {
        "time": as_text(time) if isinstance(time, str) else time,
        "service_name": first_text(*(labels.get(name) for name in _SERVICES)),
        "environment": first_text(*(labels.get(name) for name in _ENVIRONMENTS)),
        "severity": first_text(*(labels.get(name) for name in _LEVELS)),
        "attributes": labels,
    }
