"""Uptime Kuma's webhook notification, as JSON or as a form.

https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/webhook.js
"""

import re
from typing import Any

from connectors.tags import tags_of
from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, first_text

_STATUS = re.compile(r"\bstatus code ([1-5][0-9]{2})\b")


class UptimeKumaConnector(TemplatedConnector):
    """Reads heartbeats that went down or came back; the test message has neither and is answered."""

    name = "uptime-kuma"
    title = "Uptime Kuma"
    group = "uptime"
    kind = "uptime-kuma.heartbeat"
    setup = """\
Settings, Notifications, Setup Notification, Webhook: POST %URL%, Content Type JSON, Additional Headers
  {"Authorization": "Bearer %SECRET%"}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The heartbeat and its monitor as one flat object."""
        beat, monitor = as_mapping(item.get("heartbeat")), as_mapping(item.get("monitor"))
        if not beat:
            return {} if item.get("msg") else item
        said = first_text(beat.get("msg"), item.get("msg"))
        status = _STATUS.search(said or "")
        number = first_text(beat.get("monitorID"), monitor.get("id"))
        return {
            "id": f"{number}:{as_text(beat.get('status'))}:{as_text(beat.get('time')) or ''}",
            "state": "resolved" if beat.get("status") == 1 else "firing",
            "title": as_text(monitor.get("name")),
            "message": said,
            "http_status": status[1] if status else None,
            "tags": ",".join(f"{name}:{tag}" for name, tag in tags_of(monitor.get("tags")).items()),
            "service": as_text(monitor.get("name")),
            "time": beat.get("time"),
            "link": monitor.get("url"),
            "group_key": number,
        }


CONNECTOR = UptimeKumaConnector()
