"""The body signed by svix' own library."""

import json
import sys
import urllib.request
from datetime import UTC, datetime

from svix.webhooks import Webhook

body = json.dumps({"message": "permission denied for table invoices", "service": "billing"})
now = datetime.now(UTC)
headers = {
    "content-type": "application/json",
    "svix-id": "msg_1",
    "svix-timestamp": str(int(now.timestamp())),
    "svix-signature": Webhook(sys.argv[2]).sign("msg_1", now, body),
}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], body.encode(), headers), timeout=10).close()
