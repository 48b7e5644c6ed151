"""What takes spans by OTLP over HTTP, and keeps them."""

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """`url` is what a gateway is told; `headers` are those of the last request."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, data: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            self.resources |= attributes(resource.resource)
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def some(self, count: int, seconds: float = 30) -> None:
        """Return once so many spans have come."""
        until = time.monotonic() + seconds
        while len(self.spans) < count:
            assert time.monotonic() < until, [span.name for span in self.spans]
            time.sleep(0.05)

    def of_trace(self, trace_id: str, count: int, seconds: float = 30) -> list[Span]:
        """Its spans, once there are so many."""
        until = time.monotonic() + seconds
        while len(found := [span for span in self.spans if span.trace_id.hex() == trace_id]) < count:
            assert time.monotonic() < until, [span.name for span in found]
            time.sleep(0.05)
        return found


def attributes(of) -> dict[str, str | int]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.headers = {name.lower(): value for name, value in self.headers.items()}
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collector.take(zlib.decompress(data, 47) if "Content-Encoding" in self.headers else data)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
