"""Azure DevOps service hooks: builds, releases and stages that failed.

https://learn.microsoft.com/azure/devops/service-hooks/events
"""

from typing import Any

from connectors.base import AuthScheme
from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, dig, first_text

_FAILED = frozenset({"failed", "partiallysucceeded", "rejected", "canceled"})
_DONE = frozenset({"succeeded"})


class AzureDevOpsConnector(TemplatedConnector):
    """Reads completed builds, runs and deployments; a success of the same pipeline resolves a failure."""

    name = "azure-devops"
    title = "Azure DevOps"
    group = "delivery"
    kind = "azure-devops.run"
    schemes: tuple[AuthScheme, ...] = ("basic", "header", "url-token", "none")
    setup = """\
Project settings, Service hooks, Create subscription, Web Hooks:
  Event   Build completed (or Run stage state changed), status Failed
  URL     %URL%
  Basic authentication password %SECRET%, with the user name that this connection names (scheme basic)
  Messages and details to send: Text
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The run with the messages that the hook carries; none unless it failed or succeeded."""
        resource = as_mapping(item.get("resource"))
        outcome = first_text(resource.get("result"), resource.get("status"), dig(resource, "environment", "status"))
        if not resource:
            return item
        if (outcome or "").lower() not in _FAILED | _DONE:
            return {}
        name = first_text(dig(resource, "definition", "name"), dig(resource, "pipeline", "name"), resource.get("name"))
        project = first_text(dig(resource, "project", "name"), dig(item, "resourceContainers", "project", "id"))
        return {
            "id": as_text(item.get("id")),
            "state": "resolved" if (outcome or "").lower() in _DONE else "firing",
            "title": as_text(dig(item, "message", "text")),
            "message": as_text(dig(item, "detailedMessage", "text")),
            "service": f"{project}/{name}" if project and name else name or project,
            "time": first_text(resource.get("finishTime"), item.get("createdDate")),
            "link": first_text(dig(resource, "_links", "web", "href"), resource.get("url")),
            "group_key": f"{project}:{name}:{as_text(resource.get('sourceBranch')) or ''}",
        }


CONNECTOR = AzureDevOpsConnector()
