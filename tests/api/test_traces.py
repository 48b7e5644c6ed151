"""Spans of a request, of what it sends and fetches, and of whoever receives its records: one trace."""

import asyncio
import uuid

import pytest
from collector import attributes, collecting
from listeners import listening
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from samples import generic

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{CLIENT}-01"


@pytest.fixture
def collector():
    with collecting() as collector:
        yield collector


def by_name(spans: list[Span]) -> dict[str, Span]:
    found = {span.name: span for span in spans}
    assert len(found) == len(spans)
    return found


async def test_a_journey_is_one_trace(start, broker_url, tmp_path, collector):
    """From the client's request through the log into the index, and to who polls it."""
    stream = f"s{uuid.uuid4().hex[:12]}"
    topic = f"{stream}.events"
    settings = {
        "BROKER_URL": broker_url,
        "DEFAULT_STREAM": stream,
        "DATABASE_URL": f"sqlite:///{tmp_path}/views.db",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20t",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_TRACES_SAMPLER_ARG": "0",
    }
    async with start(**settings) as client:
        body = {"event": generic(1), "partition_id": 0}
        sent = await client.post("/messages", body, headers={"traceparent": SAMPLED})
        assert sent.status == 201
        assert (await client.get(f"/events/{sent.body['event_id']}")).status == 200
        assert (await client.poll(0, offset=sent.body["offset"])).body["count"] == 1
        spans = by_name(await asyncio.to_thread(collector.of_trace, TRACE, 4))
    request, send, index, poll = (spans[f"{name}"] for name in ("POST /messages", f"send {topic}", *readers(topic)))
    assert request.parent_span_id.hex() == CLIENT
    assert [each.parent_span_id for each in (send, index, poll)] == [request.span_id] * 3
    assert [each.kind for each in (request, send, index, poll)] == [
        Span.SPAN_KIND_SERVER, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER, Span.SPAN_KIND_CONSUMER,
    ]  # fmt: skip
    assert attributes(request) == {
        "http.request.method": "POST", "http.route": "/messages", "url.path": "/messages",
        "http.response.status_code": 201,
    }  # fmt: skip
    assert attributes(send)["messaging.batch.message_count"] == 1
    assert attributes(poll)["messaging.kafka.offset"] == sent.body["offset"]
    assert collector.resources["service.name"] == "shop"
    assert collector.headers["authorization"] == "Bearer t"


def readers(topic: str) -> list[str]:
    return [f"index {topic}", f"poll {topic}"]


async def test_a_trace_that_begins_here_is_followed_to_who_polls(start, collector):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="1") as client:
        await client.post("/messages", {"event": generic(1), "partition_id": 0})
        await client.poll(0, offset=0)

        def whole() -> list[Span]:
            [request] = (span for span in collector.spans if span.name == "POST /messages")
            return collector.of_trace(request.trace_id.hex(), 3)

        await asyncio.to_thread(collector.some, 5)
        assert {span.name.split()[0] for span in await asyncio.to_thread(whole)} == {"POST", "send", "poll"}


async def test_a_poll_that_is_traced_has_a_trace_of_its_own_and_is_linked(start, collector):
    own = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    async with start(JAEGER_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="0") as client:
        await client.post("/messages", {"event": generic(1), "partition_id": 0}, headers={"traceparent": SAMPLED})
        await client.get("/messages?offset=0", headers={"traceparent": f"00-{own}-{CLIENT}-01"})
        spans = by_name(await asyncio.to_thread(collector.of_trace, own, 2))
        received = by_name(await asyncio.to_thread(collector.of_trace, TRACE, 3))["poll sample-stream.events"]
    assert spans["fetch sample-stream.events"].parent_span_id == spans["GET /messages"].span_id
    assert [link.trace_id.hex() for link in received.links] == [own]


async def test_a_listener_receives_in_the_trace_of_who_sent(start, collector):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="0") as client:
        async with listening(client) as tail:
            await client.post("/messages", {"event": generic(1)}, headers={"traceparent": SAMPLED})
            await tail.next()
        spans = by_name(await asyncio.to_thread(collector.of_trace, TRACE, 3))
    assert not spans["tail sample-stream.events"].links
    assert {name for name in spans if name.startswith("fetch")} == set()


async def test_what_is_not_sampled_is_not_told(start, collector):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="0") as client:
        for given in ({}, {"traceparent": SAMPLED[:-1] + "0"}, {"traceparent": "00-" + "0" * 32 + f"-{CLIENT}-01"}):
            assert (await client.post("/messages", {"event": generic(1)}, headers=given)).status == 201
        await client.post("/messages", {"event": generic(1)}, headers={"traceparent": SAMPLED})
        await asyncio.to_thread(collector.of_trace, TRACE, 2)
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


async def test_an_error_of_ours_is_one_in_the_trace_and_a_refusal_is_none(start, collector):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="1") as client:
        assert (await client.get("/nowhere?api_key=secret")).status == 404
        client.gateway.health.stop()
        assert (await client.get("/ready", headers={"traceparent": SAMPLED})).status == 503
        [failed] = await asyncio.to_thread(collector.of_trace, TRACE, 1)
    [unknown] = [span for span in collector.spans if span.name == "GET _unknown"]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert unknown.status.code == Status.STATUS_CODE_UNSET
    assert "secret" not in str(collector.spans)


async def test_a_collector_that_is_away_costs_nobody_anything(start):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_TRACES_SAMPLER_ARG="1") as client:
        assert (await client.post("/messages", {"event": generic(1)})).status == 201


async def test_a_figure_leads_to_a_trace_that_is_recorded(start, collector):
    async with start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER_ARG="0") as client:
        await client.post("/messages", {"event": generic(1)}, headers={"traceparent": SAMPLED})
        accept = {"Accept": "application/openmetrics-text"}
        lines = (await client.get("/metrics", headers=accept)).body.decode().splitlines()
    assert [line for line in lines if "_bucket" in line and f'trace_id="{TRACE}"' in line]
