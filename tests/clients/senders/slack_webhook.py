"""slack_sdk's webhook client, as tools use it that post to Slack."""

import sys

from slack_sdk.webhook import WebhookClient

answer = WebhookClient(f"{sys.argv[1]}?token={sys.argv[2]}").send(
    text="load failed",
    blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "permission denied for table invoices"}}],
)
assert (answer.status_code, answer.body) == (200, "ok"), answer.body
