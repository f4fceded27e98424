"""Elasticsearch's bulk API, so that Filebeat, Logstash, rsyslog and other shippers only change their output.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Reply, Sample, Unparseable
from connectors.bodies import read_json, read_json_values
from connectors.elasticsearch_query import ElasticsearchQuery
from connectors.log_line import LogLines
from connectors.signatures import verify_token_word
from connectors.values import as_mapping, as_text

_PRODUCT = {"X-Elastic-Product": "Elasticsearch"}  # clients refuse to talk to anything else
_ABOUT = {
    "name": "whydenied",
    "cluster_name": "whydenied",
    "cluster_uuid": "d2h5ZGVuaWVkLWJ1bGstYQ",
    "version": {"number": "8.17.0", "build_flavor": "default", "minimum_wire_compatibility_version": "7.17.0"},
    "tagline": "You Know, for Search",
}
_LICENSE = {"license": {"uid": "whydenied", "type": "basic", "status": "active"}}
_ACTIONS = ("index", "create", "update", "delete")


class ElasticsearchConnector(Connector):
    """Keeps the documents that look like a failure; templates and policies are acknowledged and not kept."""

    name = "elasticsearch"
    title = "Elasticsearch (_bulk)"
    group = "logs"
    schemes: tuple[AuthScheme, ...] = ("basic", "bearer", "header", "url-token", "none")
    pulls = ElasticsearchQuery()
    sample = Sample(
        '{"create": {"_index": "whydenied"}}\n{"@timestamp": "%TIME%", "log.level": "error", "message": "%TEXT%"}\n',
        path="/_bulk",
        content_type="application/x-ndjson",
    )
    setup = """\
# Filebeat
output.elasticsearch:
  hosts: ["https://%HOST%"]
  path: "%PATH%"
  username: USER      # the user name that this connection names
  password: "%SECRET%"
setup.template.enabled: false
setup.ilm.enabled: false

# rsyslog
action(type="omelasticsearch" server="%URL%" uid="USER" pwd="%SECRET%" bulkmode="on" searchType="_doc"
  esVersion.major="8")

# with the scheme bearer: Authorization: ApiKey %SECRET%
"""

    def greet(self, delivery: Delivery) -> Reply | None:
        """What a shipper asks before it sends."""
        path = delivery.path.rstrip("/")
        if path in {"", "/_license", "/_xpack"}:
            return _reply(200, _ABOUT if not path else _LICENSE)
        return _reply(404, {"found": False})

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the shipper shows the connection's secret."""
        verify_token_word(delivery, auth, "ApiKey")

    def refuse(self, delivery: Delivery, status: int, detail: str) -> Reply | None:
        """An error as Elasticsearch words it."""
        kind = "security_exception" if status == 401 else "whydenied_exception"
        return _reply(status, {"error": {"type": kind, "reason": detail}, "status": status})

    def parse(self, delivery: Delivery) -> Parsed:
        """The failures among the documents, each acknowledged in the reply."""
        path = delivery.path.rstrip("/")
        if path.endswith("/_bulk") or path == "_bulk":
            return _parse_bulk(delivery)
        if path.endswith(("/_doc", "/_create")) or "/_doc/" in path:
            lines = LogLines(delivery)
            _add(lines, as_mapping(read_json(delivery.body)), None)
            return lines.parsed(
                _reply(201, {"result": "created", "_id": "0", "_shards": {"total": 1, "successful": 1}})
            )
        if delivery.method == "PUT":
            return Parsed(reply=_reply(200, {"acknowledged": True}))
        raise Unparseable(f"Of Elasticsearch only _bulk and _doc are read, not {delivery.path[:80]!r}")


def _parse_bulk(delivery: Delivery) -> Parsed:
    lines = LogLines(delivery)
    items = []
    for action, meta, document in _documents(read_json_values(delivery.body)):
        items.append({action: {"_index": meta.get("_index"), "_id": as_text(meta.get("_id")) or "0", "status": 201}})
        _add(lines, document, as_text(meta.get("_id")))
    return lines.parsed(_reply(200, {"took": 1, "errors": False, "items": items}))


def _documents(values: list[Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Action, its metadata and the document of each pair of lines."""
    rest = iter(values)
    for value in rest:
        line = as_mapping(value)
        action = next((name for name in _ACTIONS if name in line), None)
        if action is None:
            raise Unparseable("A line that should name an action (index, create, ...) does not")
        document = {} if action == "delete" else as_mapping(next(rest, None))
        yield action, as_mapping(line[action]), as_mapping(document.get("doc")) if action == "update" else document


def _add(lines: LogLines, document: Mapping[str, Any], identity: str | None) -> None:
    lines.add(dict(document), identity=identity, time=document.get("@timestamp"))


def _reply(status: int, body: Any) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers=_PRODUCT)


CONNECTOR = ElasticsearchConnector()
