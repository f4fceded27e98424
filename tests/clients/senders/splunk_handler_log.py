"""splunk_handler, a logging handler, posts to the event collector."""

import logging
import sys
from urllib.parse import urlsplit

from splunk_handler import SplunkHandler

split = urlsplit(sys.argv[1])
handler = SplunkHandler(
    host=split.hostname,
    port=split.port,
    token=sys.argv[2],
    index="main",
    source="billing",
    url=f"{sys.argv[1]}/services/collector/event",
    flush_interval=0,
)
log = logging.getLogger("billing")
log.addHandler(handler)
log.error("permission denied for table invoices")
handler.wait_until_empty()
