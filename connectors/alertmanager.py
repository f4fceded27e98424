"""Prometheus Alertmanager: its webhook, also as Grafana sends it, and its own API, as Prometheus posts to it.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.base import (
    AuthScheme,
    BodyTooLarge,
    Delivery,
    ErrorEvent,
    Parsed,
    Reply,
    Sample,
    Unparseable,
)
from connectors.bodies import MOST_VALUES, read_json
from connectors.shared_secret import SharedSecretConnector
from connectors.values import (
    as_link,
    as_mapping,
    as_status,
    as_text,
    as_time,
    attributes_of,
    first_text,
    join_texts,
    key_of,
)

_SERVICE = ("service", "service_name", "job", "app", "app_kubernetes_io_name", "deployment", "pod", "namespace")
_ENVIRONMENT = ("environment", "env", "deployment_environment", "cluster")
_HTTP_STATUS = ("http_status", "status_code", "code", "status")
_FIRST_SAID = ("summary", "description", "message")
_ELSEWHERE = frozenset(
    {"alertname", "severity", "service", "environment", "http_status", "exception_type", "url", "text"}
)


class AlertmanagerConnector(SharedSecretConnector):
    """Reads alerts; one delivery carries many, and each is an event."""

    name = "alertmanager"
    title = "Prometheus Alertmanager"
    group = "alerts"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    sample = Sample(
        '{"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "whydenied_test"}, '
        '"annotations": {"description": "%TEXT%"}, "startsAt": "%TIME%", "fingerprint": "%ID%"}]}',
    )
    setup = """\
# alertmanager.yml
receivers:
  - name: whydenied
    webhook_configs:
      - url: %URL%
        send_resolved: true
        http_config:
          authorization: {type: Bearer, credentials: %SECRET%}

# or Prometheus itself, a ruler or vmalert, without an Alertmanager between: prometheus.yml
alerting:
  alertmanagers:
    - scheme: https
      path_prefix: %PATH%
      authorization: {type: Bearer, credentials: %SECRET%}
      static_configs: [{targets: ["%HOST%"]}]
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """An event for each alert. Raises `Unparseable` without a list of alerts, as with a custom `payload`."""
        return read_alerts(delivery)


def read_alerts(delivery: Delivery) -> Parsed:
    """The alerts of a group in Alertmanager's form, which others send too. Raises like `parse`."""
    body = read_json(delivery.body)
    group = as_mapping(body)
    alerts = body if isinstance(body, list) else group.get("alerts")
    if not isinstance(alerts, list):
        raise Unparseable(
            "The body has no list of alerts; for a payload template of your own use the connector generic"
        )
    if len(alerts) > MOST_VALUES:
        raise BodyTooLarge(f"The body has more than {MOST_VALUES} alerts; set max_alerts or a smaller batch size")
    kept = [alert for alert in alerts if isinstance(alert, dict)]
    if alerts and not kept:
        raise Unparseable("The list of alerts holds no objects")
    events = tuple(_event(alert, group, delivery.received_at) for alert in kept)
    return Parsed(events, Reply(200) if isinstance(body, list) else Reply())


def _event(alert: Mapping[str, Any], group: Mapping[str, Any], received_at: datetime) -> ErrorEvent:
    labels, annotations = _texts(alert.get("labels")), _texts(alert.get("annotations"))
    fingerprint = as_text(alert.get("fingerprint")) or key_of(*sorted(labels.items()))
    is_over = _is_over(alert, received_at)
    began, ended = as_text(alert.get("startsAt")), as_text(alert.get("endsAt"))
    links = (alert.get("generatorURL"), annotations.get("runbook_url"), group.get("externalURL"))
    return ErrorEvent(
        id=key_of(fingerprint, began, "resolved" if is_over else "firing"),
        text=_text(labels, annotations),
        type=labels.get("alertname", "alert"),
        time=as_time(ended if is_over else began, received_at),
        state="resolved" if is_over else "firing",
        service_name=_first(labels, _SERVICE),
        environment=_first(labels, _ENVIRONMENT),
        severity=labels.get("severity"),
        http_status=next((status for name in _HTTP_STATUS if (status := as_status(labels.get(name)))), None),
        url=next((link for value in links if (link := as_link(value))), None),
        grouping_key=fingerprint,
        attributes=attributes_of(_facts(labels, annotations)),
    )


def _is_over(alert: Mapping[str, Any], received_at: datetime) -> bool:
    """The webhook says so in `status`; on the API an alert is over once its `endsAt` has passed, zero meaning never."""
    if status := as_text(alert.get("status")):
        return status.lower() in ("resolved", "ok")
    ended = as_time(first_text(alert.get("endsAt")), received_at)
    return ended < received_at


def _texts(value: Any) -> dict[str, str]:
    return {str(name): text for name, member in as_mapping(value).items() if (text := as_text(member))}


def _text(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """What a person wrote about the alert: its name, then every annotation that is neither a link nor internal."""
    names = [*_FIRST_SAID, *sorted(annotations.keys() - set(_FIRST_SAID))]
    said = [annotations.get(name) for name in names if not name.startswith("__")]
    body = join_texts(text for text in said if text and not as_link(text))
    alertname = labels.get("alertname")
    return f"{alertname}: {body}" if alertname and body else body or alertname or "Alert without a name"


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((labels[name] for name in names if name in labels), None)


def _facts(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, value in labels.items():
        if name not in _ELSEWHERE:
            yield name, value
    yield "runbook_url", as_link(annotations.get("runbook_url"))


CONNECTOR = AlertmanagerConnector()
