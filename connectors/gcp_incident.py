"""An incident of Google Cloud Monitoring, as its webhook and Pub/Sub channels send it.

https://cloud.google.com/monitoring/support/notification-options#webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.tags import tagged_environment, tagged_service, tags_of
from connectors.values import as_link, as_mapping, as_text, as_time, attributes_of, dig, first_text, join_texts

_LONGEST_FILTER = 4_000


def is_incident(value: Mapping[str, Any]) -> bool:
    """Whether the object is a notification of an incident."""
    return isinstance(as_mapping(value.get("incident")).get("incident_id"), str)


def read_incident(value: Mapping[str, Any], received_at: datetime) -> ErrorEvent:
    """The event of a notification; a closed incident is a resolved one."""
    incident = as_mapping(value.get("incident"))
    identity, state = str(incident["incident_id"]), as_text(incident.get("state")) or "open"
    labels = as_mapping(dig(incident, "resource", "labels"))
    metric = as_mapping(dig(incident, "metric", "labels"))
    said = (incident.get("summary"), dig(incident, "documentation", "content"), *_extracted(metric))
    wanted = as_text(dig(incident, "condition", "conditionMatchedLog", "filter"))
    told = tags_of(incident.get("policy_user_labels")) | tags_of(dig(incident, "metadata", "user_labels"))
    names = ("service_name", "function_name", "container_name", "module_id", "job_name")
    return ErrorEvent(
        id=f"{identity}:{state}",
        text=join_texts(map(as_text, (incident.get("policy_name"), incident.get("condition_name"), *said))) or identity,
        type="gcp.incident",
        time=as_time(incident.get("ended_at") or incident.get("started_at"), received_at),
        state="resolved" if state.lower() == "closed" else "firing",
        service_name=first_text(
            tagged_service(told), *(labels.get(name) for name in names), dig(incident, "resource", "type")
        ),
        environment=tagged_environment(told),
        severity=(as_text(incident.get("severity")) or "").lower() or None,
        url=as_link(incident.get("url")),
        grouping_key=identity,
        attributes={
            **attributes_of(
                [("gcp.project", first_text(labels.get("project_id"), incident.get("scoping_project_id")))]
                + [(f"gcp.label.{name}", said) for name, said in as_mapping(incident.get("policy_user_labels")).items()]
            ),
            **({"gcp.filter": wanted} if wanted and len(wanted) <= _LONGEST_FILTER else {}),
        },
    )


def _extracted(labels: Mapping[str, Any]) -> list[str]:
    """Labels of a log-based alert: with an extractor they hold the error's own words."""
    return [text for value in labels.values() if (text := as_text(value)) and " " in text]
