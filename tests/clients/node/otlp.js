// The OpenTelemetry SDK exports a span that recorded an exception, as JSON.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

const [address, secret] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({ url: `${address}/v1/traces`, headers: { Authorization: `Bearer ${secret}` } });
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const span = provider.getTracer("billing").startSpan("load invoices");
span.recordException(new Error("permission denied for table invoices"));
span.setStatus({ code: 2, message: "permission denied for table invoices" });
span.end();
await provider.shutdown();
