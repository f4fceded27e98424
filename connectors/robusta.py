"""Robusta's webhook sink: findings of Kubernetes as plain text, without a content type.

https://docs.robusta.dev/master/configuration/sinks/webhook.html
"""

from connectors.templated import TemplatedConnector


class RobustaConnector(TemplatedConnector):
    """Reads a finding as the text it is."""

    name = "robusta"
    title = "Robusta"
    group = "kubernetes"
    kind = "robusta.finding"
    setup = """\
sinksConfig:
  - webhook_sink:
      name: whydenied
      url: "%URL%"
      authorization: "Bearer %SECRET%"
      size_limit: 65536
"""


CONNECTOR = RobustaConnector()
