"""The OpenTelemetry SDK exports a span that recorded an exception."""

import sys

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

address, secret = sys.argv[1], sys.argv[2]
provider = TracerProvider(resource=Resource.create({"service.name": "billing"}))
exporter = OTLPSpanExporter(f"{address}/v1/traces", headers={"Authorization": f"Bearer {secret}"})
provider.add_span_processor(SimpleSpanProcessor(exporter))
try:
    with provider.get_tracer("billing").start_as_current_span("load invoices"):
        raise PermissionError("permission denied for table invoices")
except PermissionError:
    provider.shutdown()
