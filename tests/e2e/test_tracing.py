"""Traces as users turn them on: in the log, and without what they need."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
import uuid

from collector import collecting
from gateways import ROOT, asked, failed, serving
from samples import generic

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def posted(url: str, body: object, **headers: str) -> None:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    urllib.request.urlopen(request, timeout=30).close()


def test_log_lines_tell_what_a_request_belongs_to(tmp_path):
    ids = {"correlation_id": str(uuid.uuid4()), "causation_id": str(uuid.uuid4())}
    event = generic(1) | ids
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": "0"}
        with serving(tmp_path, BROKER_URL="memory://", **settings) as (url, process):
            posted(f"{url}/messages", {"event": event}, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
            posted(f"{url}/messages/batch", {"events": [event, event]})
            posted(f"{url}/messages/batch", {"events": [event, generic(2)]})
            posted(f"{url}/events", {"event_type": "a.b", "payload": {}, **ids})
            asked("GET", f"{url}/streams")
            process.terminate()
            assert process.wait(20) == 0
        assert {"POST", "send"} <= {span.name.split()[0] for span in collector.spans}
    lines = map(json.loads, (tmp_path / "out.log").read_text().splitlines())
    told = [{name: line.get(name) for name in ("correlation_id", "causation_id", "trace_id")} for line in lines
            if line["event"] == "request"]  # fmt: skip
    nothing = dict.fromkeys(("correlation_id", "causation_id", "trace_id"))
    same = nothing | ids
    assert told == [same | {"trace_id": TRACE}, same, nothing, same, nothing]


def test_a_collector_that_hangs_holds_up_no_stop(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections, nobody answers them
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with serving(tmp_path, BROKER_URL="memory://", OTEL_TRACES_SAMPLER_ARG="1", **settings) as (url, process):
            asked("GET", f"{url}/streams")
            started = time.monotonic()
            process.terminate()
            assert process.wait(20) == 0
            assert time.monotonic() - started < 4.5  # of which 2 are given to the collector, which would take 5


def test_without_opentelemetry_spans_stop_the_start_and_nothing_else_misses_it(tmp_path):
    missing = tmp_path / "opentelemetry"
    missing.mkdir()
    (missing / "__init__.py").write_text("raise ImportError")
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "BROKER_URL": "memory://"}
    code, message = failed(tmp_path, "serve", **paths, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert code == 78
    assert "sluice[tracing]" in message
    with serving(tmp_path, **paths) as (url, _):
        assert asked("GET", f"{url}/health")[0] == 200


def test_what_is_off_is_not_loaded():
    code = "import app.serving, sys; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
