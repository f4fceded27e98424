"""The OpenTelemetry SDK exports a log record with an exception, in protobuf and gzip."""

import logging
import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

address, secret = sys.argv[1], sys.argv[2]
headers = {"Authorization": f"Bearer {secret}"}
exporter = OTLPLogExporter(f"{address}/v1/logs", headers=headers, compression=Compression.Gzip)
provider = LoggerProvider(Resource.create({"service.name": "billing", "deployment.environment.name": "production"}))
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
log = logging.getLogger("billing")
log.addHandler(LoggingHandler(logger_provider=provider))
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError:
    log.exception("statement failed")
provider.shutdown()
