"""Python's own logging.handlers.HTTPHandler."""

import logging
import sys
from logging.handlers import HTTPHandler
from urllib.parse import urlsplit

split = urlsplit(sys.argv[1])
log = logging.getLogger("billing")
log.addHandler(HTTPHandler(split.netloc, f"{split.path}?token={sys.argv[2]}", method="POST"))
log.error("permission denied for table %s", "invoices")
