"""Finds the fields of an error in JSON of unknown shape, by the names that tools give them.

An object is read by dotted path in lower snake case, so that `{"error": {"message": ..}}`, `{"error.message": ..}` and
`{"errorMessage": ..}` are found alike. Wrappers that only nest (`attributes`, `resource`, `data`) are seen through.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any

_DEEPEST = 6
_MOST_MEMBERS = 400
_MOST_ITEMS = 5
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

WRAPPERS = frozenset(
    "resource attributes body data payload event alert alerts incident context fields extra details labels annotations "
    "tags attachments records".split()
)

# For each field the names that stand for it, the best first. Where the text of several is kept, it is in this order.
ALIASES: dict[str, tuple[str, ...]] = {
    field: tuple(names.split())
    for field, names in {
        "title": "title alert_title event_title subject alert_name alertname rule_name monitor_name summary name",
        "message": "message msg text body description detail details event_msg text_only_msg alert_message reason "
        "content log log.original event.original",
        "error_type": "exception.type error.type exception_type error_type error.name err.name err.type "
        "exception.class error.class error_class exception.name",
        "error_message": "exception.message error.message exception_message error_message error_msg err.message "
        "exception error err error_description errors errors.message error.reason cause",
        "error_code": "error.code code error_code err.code exception.code sqlstate errno",
        "stack": "exception.stacktrace error.stack_trace error.stack exception.stack_trace exception.stack err.stack "
        "stacktrace stack_trace stack traceback backtrace exc_info exc_text",
        "output": "logs logs_sample log_sample output stderr response_body response.body http.response.body.content",
        "service": "service.name service_name service app application app_name application_name application.name "
        "service.summary component k8s.deployment.name kubernetes.deployment.name kubernetes.labels.app "
        "k8s.container.name kubernetes.container_name container_name project.name project",
        "environment": "deployment.environment.name deployment.environment service.environment environment "
        "environment.name env stage",
        "link": "link url web_url html_url permalink alert_url event_url issue_url incident_url details_url "
        "dashboard_url kibana_link results_link href links.self url.full",
        "http_status": "http_status http.response.status_code http.status_code http_status_code status_code "
        "response.status_code response.status error.status_code error.status error.http_status status code error.code",
        "time": "@timestamp timestamp time ts datetime date occurred_at created_at started_at starts_at "
        "fired_date_time event_time created time_unix_nano observed_timestamp",
        "id": "id event_id uuid message_id log_id record_id _id",
        "severity": "severity severity_text level log.level log_level loglevel level_name levelname priority "
        "alert_type urgency",
        "state": "status state alert_status alert_state transition alert_transition monitor_condition event_action "
        "resolved",
        "group": "grouping_key group_key dedup_key dedupe_key incident_key alert_cycle_key cycle_key cycle incident_id "
        "issue_id alert_id alert_uuid monitor_id rule_id aggreg_key fingerprint",
        "type": "event_type type kind detail_type event_name",
        "vendor_error": "error errors error_code error_description code __type documentation_url",
    }.items()
}


def _roles() -> dict[str, list[tuple[str, int]]]:
    roles: dict[str, list[tuple[str, int]]] = {}
    for field, names in ALIASES.items():
        for rank, name in enumerate(names):
            roles.setdefault(name, []).append((field, rank))
    return roles


_ROLES = _roles()
_NONE: list[Any] = []
_RANK = itemgetter(0)


class Fields(dict[str, list[Any]]):
    """For each field that an object has, its values by rank of alias; a field that it lacks has none.

    `rest` holds the scalars that are no field, under their path without wrappers.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__()
        self.rest: dict[str, Any] = {}
        ranked: dict[str, list[tuple[int, Any]]] = {}
        for path, member in _walk(value):
            roles = _ROLES.get(path)
            if roles is None:
                if not isinstance(member, (dict, list)):
                    self.rest.setdefault(path, member)
                continue
            for entry in roles:
                ranked.setdefault(entry[0], []).append((entry[1], member))
        for field, found in ranked.items():
            if len(found) > 1:
                found.sort(key=_RANK)
            self[field] = [member for _, member in found]

    def __missing__(self, field: str) -> list[Any]:
        return _NONE

    def has(self, *fields: str) -> bool:
        """Whether any of these fields is there."""
        return not self.keys().isdisjoint(fields)


def _walk(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every member with its path, what stands higher up first."""
    level = [("", value)]
    count = 0
    for _ in range(_DEEPEST):
        deeper: list[tuple[str, dict[str, Any]]] = []
        for prefix, container in level:
            for key, member in container.items():
                path = _path(prefix, key)
                yield path, member
                if isinstance(member, dict):
                    deeper.append((path, member))
                elif isinstance(member, list):
                    deeper.extend((path, item) for item in member[:_MOST_ITEMS] if isinstance(item, dict))
                count += 1
                if count == _MOST_MEMBERS:
                    return
        level = deeper


@lru_cache(maxsize=4096)
def _path(prefix: str, key: str) -> str:
    name = _HUMPS.sub("_", key[:100]).replace("-", "_").replace(" ", "_").lower()
    path = f"{prefix}.{name}" if prefix else name
    first, dot, rest = path.partition(".")
    while dot and first in WRAPPERS:
        path = rest
        first, dot, rest = path.partition(".")
    return path
