"""The CloudEvents SDK makes a structured event."""

import sys
import urllib.request

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

event = CloudEvent(
    {"id": "1", "type": "com.example.failed", "source": "/billing"}, {"message": "permission denied for table invoices"}
)
message = to_structured_event(event)
headers = {**dict(message.headers), "authorization": f"Bearer {sys.argv[2]}"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], bytes(message.body), headers), timeout=10).close()
