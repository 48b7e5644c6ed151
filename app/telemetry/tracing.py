"""Spans, by OpenTelemetry, sent by OTLP over HTTP; named by its conventions for HTTP and messaging.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and https://www.w3.org/TR/trace-context/. Only a
gateway that is told where to send spans loads this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from app.record import Record
from app.telemetry.logs import bind
from app.telemetry.trace_context import HEADER, is_recorded

MOST_RECEIVED = 32
"""So many traces at most learn that a page brought their records: spans cost more than records."""

_EXPORT_SECONDS = 5
_EVERY_MS = 1000
_w3c = TraceContextTextMapPropagator()


class Export(NamedTuple):
    """Where spans go: the base URL of a collector, headers for it; and the share recorded of traces that begin here."""

    endpoint: str
    headers: Mapping[str, str]
    service: str
    version: str
    sampled: float


class Tracing:
    """Makes spans and sends them from a thread of its own; a collector that is away costs spans, never requests."""

    def __init__(self, export: Export, *, system: str) -> None:
        exporter = OTLPSpanExporter(
            endpoint=f"{export.endpoint.rstrip('/')}/v1/traces", headers=dict(export.headers), timeout=_EXPORT_SECONDS
        )
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(export.sampled)),
            resource=Resource({"service.name": export.service, "service.version": export.version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY_MS))
        self._tracer = self._provider.get_tracer("sluice", export.version)
        self._system = system

    def close(self) -> None:
        """Send what is left; blocks for seconds where the collector does not answer."""
        self._provider.shutdown()

    @contextmanager
    def request(self, method: str, route: str, path: str, headers: Mapping[str, str]) -> Iterator["RequestSpan"]:
        """A request, in the trace that its headers name, or in a new one."""
        attributes = {"http.request.method": method, "http.route": route, "url.path": path}
        with self._tracer.start_as_current_span(
            f"{method} {route}", _w3c.extract(headers), SpanKind.SERVER, attributes
        ) as span:
            if span.get_span_context().trace_flags.sampled:
                bind(trace_id=trace.format_trace_id(span.get_span_context().trace_id))
            yield RequestSpan(span)

    @contextmanager
    def sending(self, topic: str, count: int) -> Iterator[None]:
        """Records on their way to the log, until they are acknowledged."""
        attributes = self._of("send", topic) | {"messaging.batch.message_count": count}
        with self._tracer.start_as_current_span(f"send {topic}", None, SpanKind.PRODUCER, attributes):
            yield

    @contextmanager
    def fetching(self, topic: str, partition: int) -> Iterator[None]:
        """A read of the log for a request, waiting included."""
        attributes = self._of("receive", topic) | {"messaging.destination.partition.id": str(partition)}
        with self._tracer.start_as_current_span(f"fetch {topic}", None, SpanKind.CLIENT, attributes):
            yield

    def received(
        self, topic: str, partition: int, records: Sequence[Record], reader: str, *, asked: bool = False
    ) -> None:
        """The records have come to `reader` (poll, tail, index): told in their own traces.

        They are linked to the request that runs, where it has `asked` for them.
        """
        here = trace.get_current_span().get_span_context()
        links = [Link(here)] if asked and here.is_valid else []
        for parent, record in _sampled(records).items():
            attributes = self._of("process", topic) | {
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": record.offset,
                "sluice.reader": reader,
            }
            context = _w3c.extract({HEADER: parent})
            self._tracer.start_span(f"{reader} {topic}", context, SpanKind.CONSUMER, attributes, links).end()

    def _of(self, operation: str, topic: str) -> dict[str, AttributeValue]:
        return {
            "messaging.system": self._system,
            "messaging.operation.type": operation,
            "messaging.destination.name": topic,
        }


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """What records that come of the request carry."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier, trace.set_span_in_context(self._span))
        return carrier[HEADER]

    def answered(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))


def _sampled(records: Sequence[Record]) -> dict[str, Record]:
    """By the `traceparent` of the traces that somebody records, the first record of each."""
    found: dict[str, Record] = {}
    for record in records:
        for name, value in record.headers:
            if name == HEADER and value is not None and is_recorded(parent := value.decode("latin-1")):
                found.setdefault(parent, record)
        if len(found) == MOST_RECEIVED:
            break
    return found
