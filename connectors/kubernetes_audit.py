"""Kubernetes: the API server's audit webhook, and events as kwatch and exporters post them.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from collections.abc import Mapping
from typing import Any

from connectors.base import AuthScheme, Delivery, ErrorEvent, Parsed, Reply, Sample, Unparseable
from connectors.bodies import MOST_VALUES, read_json
from connectors.kubernetes_cluster import KubernetesCluster
from connectors.kubernetes_event import read_warning
from connectors.shared_secret import SharedSecretConnector
from connectors.values import (
    as_list,
    as_mapping,
    as_status,
    as_text,
    as_time,
    attributes_of,
    dig,
    first_text,
    join_texts,
    key_of,
)

_REFUSED = frozenset({401, 403})


class KubernetesConnector(SharedSecretConnector):
    """Keeps refused requests of the audit log, and warning events."""

    name = "kubernetes"
    title = "Kubernetes (audit webhook, events, kwatch)"
    group = "kubernetes"
    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    pulls = KubernetesCluster()
    sample = Sample(
        '{"type": "Warning", "kind": "Event", "apiVersion": "v1", "reason": "Failed", "message": "%TEXT%", '
        '"metadata": {"uid": "%ID%", "name": "whydenied", "namespace": "whydenied"}, "involvedObject": '
        '{"kind": "Pod", "name": "whydenied", "namespace": "whydenied"}, "lastTimestamp": "%TIME%"}',
    )
    setup = """\
# kube-apiserver --audit-policy-file=policy.yaml --audit-webhook-config-file=webhook.yaml; webhook.yaml:
apiVersion: v1
kind: Config
clusters: [{name: whydenied, cluster: {server: "%URL%"}}]
users: [{name: apiserver, user: {token: "%SECRET%"}}]
contexts: [{name: default, context: {cluster: whydenied, user: apiserver}}]
current-context: default

# kwatch
alert:
  webhook:
    url: "%URL%"
    headers: [{name: Authorization, value: "Bearer %SECRET%"}]

# Without an agent whydenied asks for warnings and logs of failing pods:
#   whydenied connections pull %NAME% --set every=60
# as the service account of its pod in the cluster; elsewhere with url, token and ca_certificate. It needs:
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: whydenied-reader}
rules:
  - {apiGroups: [""], resources: [events], verbs: [list, watch]}
  - {apiGroups: [""], resources: [pods], verbs: [list]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The refusals of an audit list, one event, or what kwatch saw of a pod."""
        body = read_json(delivery.body)
        items = [as_mapping(one) for one in as_list(as_mapping(body).get("items")) or ([body] if body else [])]
        if not any(_kind(one) for one in items[:MOST_VALUES]):
            raise Unparseable("This is no audit list, no Event and no message of kwatch")
        events = {event.id: event for one in items[:MOST_VALUES] if (event := _event(one, delivery))}
        return Parsed(tuple(events.values()), Reply(200, b"{}"), passed_over=len(items) - len(events))


def _kind(item: Mapping[str, Any]) -> str | None:
    if "auditID" in item:
        return "audit"
    if "involvedObject" in item or "regarding" in item:
        return "event"
    return "kwatch" if {"Reason", "Namespace"} <= item.keys() else None


def _event(item: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    match _kind(item):
        case "audit":
            return _audit(item, delivery)
        case "event":
            return read_warning(item, delivery.received_at)
        case "kwatch":
            return _kwatch(item, delivery)
    return None


def _audit(item: Mapping[str, Any], delivery: Delivery) -> ErrorEvent | None:
    code = as_status(dig(item, "responseStatus", "code"))
    if code not in _REFUSED or as_text(item.get("stage")) not in {"ResponseComplete", "Panic", None}:
        return None
    message = as_text(dig(item, "responseStatus", "message"))
    reason = as_text(dig(item, "annotations", "authorization.k8s.io/reason"))
    user = as_text(dig(item, "user", "username"))
    reference = as_mapping(item.get("objectRef"))
    return ErrorEvent(
        id=f"{item['auditID']}:{as_text(item.get('stage')) or ''}",
        text=join_texts([message or _sentence(item), reason]),
        type="kubernetes.audit",
        time=as_time(item.get("stageTimestamp") or item.get("requestReceivedTimestamp"), delivery.received_at),
        service_name=user,
        http_status=code,
        attributes=attributes_of(
            [
                ("k8s.verb", item.get("verb")),
                ("k8s.resource", reference.get("resource")),
                ("k8s.namespace.name", reference.get("namespace")),
                ("url.path", item.get("requestURI")),
                ("user_agent", item.get("userAgent")),
            ]
        ),
    )


def _sentence(item: Mapping[str, Any]) -> str:
    """The API server's own sentence, for a record whose policy left the message out."""
    reference = as_mapping(item.get("objectRef"))
    resource, group = as_text(reference.get("resource")), as_text(reference.get("apiGroup")) or ""
    subresource, namespace = as_text(reference.get("subresource")), as_text(reference.get("namespace"))
    whole = f"{resource}/{subresource}" if subresource else resource
    user, verb = as_text(dig(item, "user", "username")), as_text(item.get("verb"))
    if not resource:
        return f'forbidden: User "{user}" cannot {verb} path "{as_text(item.get("requestURI")) or ""}"'
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return f'{whole} is forbidden: User "{user}" cannot {verb} resource "{whole}" in API group "{group}" {where}'


def _kwatch(item: Mapping[str, Any], delivery: Delivery) -> ErrorEvent:
    said = [as_text(item.get(name)) for name in ("Reason", "Events", "Logs")]
    text = join_texts(one.replace("\\n", "\n").replace('\\"', '"') if one else None for one in said)
    return ErrorEvent(
        id=key_of(delivery.body),
        text=text or "kwatch",
        type="kubernetes.kwatch",
        time=delivery.received_at,
        service_name=first_text(dig(item, "Labels", "app"), item.get("Container"), item.get("Name")),
        environment=as_text(item.get("Cluster")),
        attributes=attributes_of([("k8s.namespace.name", item.get("Namespace")), ("k8s.pod.name", item.get("Name"))]),
    )


CONNECTOR = KubernetesConnector()
