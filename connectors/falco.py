"""Falco by its HTTP output or Falcosidekick: rules of the kernel and of the Kubernetes audit log.

https://falco.org/docs/outputs/channels/#http-output
"""

from typing import Any

from connectors.base import Sample
from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, first_text


class FalcoConnector(TemplatedConnector):
    """Reads alerts; the process or the user is the service."""

    name = "falco"
    title = "Falco"
    group = "kubernetes"
    kind = "falco.alert"
    sample = Sample(
        '{"rule": "whydenied test", "priority": "Warning", "time": "%TIME%", "output": "%TEXT%", "output_fields": {}}',
    )
    setup = """\
# falco.yaml
json_output: true
http_output:
  enabled: true
  url: "%URL%"

# Falcosidekick
webhook:
  address: "%URL%"
  customHeaders: {Authorization: "Bearer %SECRET%"}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The alert with the fields of its rule as attributes."""
        fields = as_mapping(item.get("output_fields"))
        names = ("k8s.pod.name", "container.name", "proc.name", "ka.user.name", "user.name")
        return {
            **{name: value for name, value in fields.items() if isinstance(value, str | int)},
            "title": as_text(item.get("rule")),
            "message": as_text(item.get("output")),
            "severity": as_text(item.get("priority")),
            "service": first_text(*(fields.get(name) for name in names), item.get("hostname")),
            "time": item.get("time"),
            "id": as_text(item.get("uuid")),
            "group_key": as_text(item.get("rule")),
        }


CONNECTOR = FalcoConnector()
