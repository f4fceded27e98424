"""python-logstash-async posts a batch over HTTP."""

import logging
import sys
from urllib.parse import urlsplit

from logstash_async.formatter import LogstashFormatter
from logstash_async.transport import HttpTransport

split = urlsplit(sys.argv[1])


class Prefixed(HttpTransport):
    """The transport knows host and port only; the path is added as its users do it."""

    @property
    def url(self) -> str:
        return sys.argv[1]


transport = Prefixed(
    split.hostname, split.port, ssl_enable=False, ssl_verify=False, username="up", password=sys.argv[2]
)
record = logging.LogRecord("billing", logging.ERROR, "job.py", 7, "permission denied for table invoices", None, None)
transport.send([LogstashFormatter().format(record)])
