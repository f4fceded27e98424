"""python-logging-loki pushes a line in JSON."""

import logging
import sys

from logging_loki import LokiHandler

handler = LokiHandler(
    url=f"{sys.argv[1]}/loki/api/v1/push", tags={"app": "billing"}, auth=("loki", sys.argv[2]), version="1"
)
log = logging.getLogger("billing")
log.addHandler(handler)
log.error("permission denied for table invoices")
