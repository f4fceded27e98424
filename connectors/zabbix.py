"""Zabbix by a webhook media type, with the parameters below.

https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook
"""

from typing import Any

from connectors.tags import tagged_environment, tagged_service, tags_of
from connectors.templated import TemplatedConnector
from connectors.values import as_text, first_text

# The parameters of Zabbix's own webhooks
_OWN = {
    "event_id": "id",
    "event_value": "value",
    "event_name": "title",
    "event_opdata": "message",
    "event_severity": "severity",
    "event_tags": "tags",
    "host_name": "host",
}


class ZabbixConnector(TemplatedConnector):
    """Reads problems; a value of 0 closes one."""

    name = "zabbix"
    title = "Zabbix"
    group = "alerts"
    kind = "zabbix.problem"
    setup = """\
Alerts, Media types, Create, Webhook; parameters
  id {EVENT.ID}   value {EVENT.VALUE}   title {EVENT.NAME}   message {EVENT.OPDATA} {ITEM.LASTVALUE}
  severity {EVENT.SEVERITY}   service {HOST.NAME}   link {$ZABBIX.URL}/tr_events.php?eventid={EVENT.ID}
Script
  var r = new HttpRequest(); r.addHeader('Content-Type: application/json');
  r.addHeader('%HEADER%');
  r.post('%URL%', value); if (r.getStatus() > 299) throw 'status ' + r.getStatus(); return 'OK';
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """Numbers of state and severity as words, the problem as the group of both its events."""
        item = {name: item[own] for own, name in _OWN.items() if item.get(own)} | item
        told = tags_of(item.get("tags"))
        value = as_text(item.get("value"))
        number = as_text(item.get("id"))
        return {
            **{name: said for name, said in item.items() if name not in {"value", "tags"}},
            "id": f"{number}:{value}" if number else None,
            "state": "resolved" if value == "0" else "firing",
            "group_key": number,
            "service": first_text(tagged_service(told), item.get("service"), item.get("host")),
            "environment": first_text(item.get("environment"), tagged_environment(told)),
        }


CONNECTOR = ZabbixConnector()
