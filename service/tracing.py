"""Traces by OpenTelemetry, for who asks for them; nothing is imported and nothing done where nobody does.

Installed by `whydenied[otel]` and set up by the standard variables, of which the SDK reads most by itself:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Attributes are names, counts and
identifiers: no text of an event, no address's query, no message of an error ever.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from service import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

Attributes = Mapping[str, str | int | float | bool | None]
Kind = Literal["internal", "server", "client"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LONGEST = 200
_NONE: Attributes = {}

log = structlog.get_logger(__name__)


class Noted:
    """What may be said of a span while it lasts. This one is for when nobody listens."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes; None says nothing."""

    def name(self, name: str) -> None:
        """Give the span its name, where that is known late."""


_UNHEARD: AbstractContextManager[Noted] = nullcontext(Noted())


class _Switch:
    provider: "TracerProvider | None" = None
    tracer: "Tracer | None" = None


def start(environment: Mapping[str, str]) -> bool:
    """Send spans where the variables say, by OTLP over HTTP; whether they are sent at all.

    A missing package is told in the log: traces are no reason not to start.
    """
    if not _is_wanted(environment):
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("traces are asked for but not installed: pip install 'whydenied[otel]'")
        return False
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.version": __version__} | ({} if named else {"service.name": "whydenied"})
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Switch.provider, _Switch.tracer = provider, provider.get_tracer("whydenied", __version__)
    return True


def stop() -> None:
    """Send what is left, and record no more."""
    provider, _Switch.provider, _Switch.tracer = _Switch.provider, None, None
    if provider is not None:
        provider.shutdown()


def span(
    name: str,
    attributes: Attributes = _NONE,
    *,
    kind: Kind = "internal",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> AbstractContextManager[Noted]:
    """A span around a block, part of the one around it, or of the sender's where `headers` hold a `traceparent`.

    https://www.w3.org/TR/trace-context/
    """
    if _Switch.tracer is None:
        return _UNHEARD
    return _record(_Switch.tracer, name, attributes, kind, headers)


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the ids of the span, if there is one, into a log line."""
    if _Switch.tracer is not None:
        from opentelemetry.trace import format_span_id, format_trace_id, get_current_span  # noqa: PLC0415

        context = get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"], event["span_id"] = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return event


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return environment.get("OTEL_TRACES_EXPORTER") == "otlp" or any(environment.get(name) for name in _ENDPOINTS)


@contextmanager
def _record(
    tracer: "Tracer", name: str, attributes: Attributes, kind: Kind, headers: Iterable[tuple[bytes, bytes]]
) -> Iterator[Noted]:
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

    with tracer.start_as_current_span(
        name,
        context=_context(headers),
        kind=SpanKind[kind.upper()],
        attributes=_told(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield _Heard(current)
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


class _Heard(Noted):
    def __init__(self, current: "Span") -> None:
        self._current = current

    def note(self, attributes: Attributes) -> None:
        self._current.set_attributes(_told(attributes))

    def name(self, name: str) -> None:
        self._current.update_name(name)


def _context(headers: Iterable[tuple[bytes, bytes]]) -> "Context | None":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(b"trace")}
    return TraceContextTextMapPropagator().extract(carrier) if carrier else None


def _told(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }
