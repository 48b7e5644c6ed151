"""What metrics keep to: names that are known, no more series than so many, exemplars that fit."""

import asyncio
import gc
import threading
import weakref
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app.brokers.waiting import Waiting
from app.errors import Unavailable
from app.record import Failed, NewRecord, Written
from app.telemetry.metrics import Metrics
from app.telemetry.metrics.door import MOST_KEYS
from app.telemetry.metrics.families import Families
from app.telemetry.metrics.histograms import KeptHistogram
from app.telemetry.metrics.http import HttpMetrics
from app.telemetry.metrics.messages import MOST_TOPICS
from app.telemetry.metrics.seen import MOST_LAGS, Lag
from app.telemetry.pauses import Pauses


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> list:
    return [sample for family in metrics.registry.collect() if family.name == name for sample in family.samples]


def test_topics_past_the_bound_share_their_series():
    metrics, record, written = Metrics(), NewRecord.of(0, b"x" * 10, 0), Written(0, 0, 0)
    for number in range(MOST_TOPICS + 3):
        metrics.messages.sent("s", f"t{number}", [record], [written], 0.1)
        metrics.messages.polled("s", f"t{number}", messages=1, size=10, seconds=0.1)
    assert value(metrics, "sluice_sent_bytes_total", stream="s", topic=f"t{MOST_TOPICS - 1}") == 10
    assert value(metrics, "sluice_sent_bytes_total", stream="_other", topic="_other") == 30
    assert value(metrics, "sluice_polled_bytes_total", stream="_other", topic="_other") == 30
    totals = [sample for sample in series(metrics, "sluice_sent_bytes") if sample.name.endswith("_total")]
    assert len(totals) == MOST_TOPICS + 1


def test_of_a_send_it_is_told_what_became_of_each_message():
    metrics = Metrics()
    records = [NewRecord.of(0, value, 0) for value in (b"new", b"again", b"lost", None)]
    outcomes = [Written(0, 0, 0), Written(0, 0, 0, duplicate=True), Failed(Unavailable("away")), Written(0, 1, 0)]
    metrics.messages.sent("s", "t", records, outcomes, 0.25)
    topic = {"stream": "s", "topic": "t"}
    assert value(metrics, "events_created_total") == 2
    assert value(metrics, "sluice_messages_sent_total", **topic, status="ok") == 3
    assert value(metrics, "sluice_messages_sent_total", **topic, status="failed") == 1
    assert value(metrics, "sluice_sent_bytes_total", **topic) == len(b"newagainlost")
    assert value(metrics, "sluice_send_duration_seconds_sum", **topic) == 0.25
    assert value(metrics, "sluice_send_batch_size_sum") == 4


def test_keys_past_the_bound_share_their_series():
    metrics = Metrics()
    for number in range(MOST_KEYS + 5):
        metrics.door.used(f"k{number}")
        metrics.door.refused("rate_limited", f"k{number}")
    assert value(metrics, "sluice_key_requests_total", key="_other") == 5
    assert value(metrics, "sluice_refusals_total", reason="rate_limited", key="_other") == 5


@pytest.mark.parametrize("shared", [False, True])
def test_a_counter_is_what_was_added_to_its_tally(shared):
    registry = CollectorRegistry()
    new = Families(registry, shared=shared)
    tally = new.tally(new.count("c", "What it is."))
    for amount, wanted in ((0, 0), (3, 3), (0, 3), (2, 5)):
        tally.total += amount
        assert registry.get_sample_value("c_total") == wanted


def test_of_too_many_lags_the_largest_are_told():
    metrics = Metrics()
    metrics.seen.lags_are([Lag(f"g{number}", "s", "t", 0, number) for number in range(MOST_LAGS + 10)])
    told = series(metrics, "sluice_consumer_lag")
    assert len(told) == MOST_LAGS
    assert min(sample.value for sample in told) == 10
    assert value(metrics, "sluice_consumer_lags_left_out") == 10


def test_lags_that_are_gone_are_told_no_more():
    metrics = Metrics()
    metrics.seen.lags_are([Lag("g", "s", "t", 0, 7)])
    metrics.seen.lags_are([])
    assert series(metrics, "sluice_consumer_lag") == []


def test_what_was_never_read_has_no_figures_and_what_was_has():
    metrics = Metrics()
    assert series(metrics, "sluice_log_messages") == []
    totals = SimpleNamespace(streams=1, topics=2, messages=3, size_bytes=4)
    metrics.seen.log_is("memory", lambda: SimpleNamespace(totals=totals, age=1.5))
    assert value(metrics, "sluice_log_bytes") == 4
    assert value(metrics, "sluice_stats_age_seconds") == 1.5


def test_a_database_is_counted_with_the_files_beside_it(tmp_path):
    metrics = Metrics()
    metrics.seen.databases_are({"log": tmp_path / "log.db"})
    (tmp_path / "log.db").write_bytes(b"1" * 10)
    (tmp_path / "log.db-wal").write_bytes(b"2" * 5)
    assert value(metrics, "sluice_file_bytes", holds="log") == 15
    assert (
        0
        < value(metrics, "sluice_disk_free_bytes", holds="log")
        < value(metrics, "sluice_disk_size_bytes", holds="log")
    )


class Timed:
    """What is told of requests, at times that the test chooses."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._http = HttpMetrics(Families(self.registry, shared=False))

    def answered(self, *, seconds: float, ended: float, request_id: str, traceparent: str | None = None) -> None:
        whose = SimpleNamespace(request_id=request_id, traceparent=traceparent)
        self._http.answered("GET", "/a", 200, (ended - seconds, ended), (0, 100), whose)

    def exemplars(self, label: str = "request_id") -> set[str]:
        text = openmetrics.generate_latest(self.registry).decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            sample.exemplar.labels[label] for sample in samples if sample.exemplar and label in sample.exemplar.labels
        }


def test_once_a_second_a_request_and_every_slow_one_lends_its_id_to_its_bucket():
    told = Timed()
    told.answered(seconds=0.002, ended=10.0, request_id="first")
    told.answered(seconds=0.004, ended=10.5, request_id="too-soon")
    told.answered(seconds=0.7, ended=10.6, request_id="slow")
    told.answered(seconds=0.008, ended=12.0, request_id="later")
    assert told.exemplars() == {"first", "slow", "later"}


@pytest.mark.parametrize("length", [64, 65, 128])
def test_an_id_too_long_for_an_exemplar_is_left_out_and_the_request_counted(length):
    told = Timed()
    told.answered(seconds=1, ended=1, request_id="x" * length)
    assert told.exemplars() == ({"x" * 64} if length == 64 else set())
    labels = {"method": "GET", "route": "/a", "status": "200"}
    assert told.registry.get_sample_value("http_request_duration_seconds_count", labels) == 1


def test_a_trace_that_is_recorded_can_be_found_from_a_figure():
    told, trace = Timed(), "4bf92f3577b34da6a3ce929d0e0e4736"
    told.answered(seconds=1, ended=1, request_id="x" * 64, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert told.exemplars("trace_id") == {trace}
    told.answered(seconds=2, ended=3, request_id="y", traceparent=f"00-{'a' * 32}-00f067aa0ba902b7-00")
    assert told.exemplars("trace_id") == {trace}


@pytest.mark.parametrize("amounts", [[], [0.5], [0.1, 1, 1.5, 2, 7, 100]])
def test_histograms_of_our_own_tell_what_prometheus_clients_tell(amounts):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    kept = KeptHistogram("h", "What it is.", (0.1, 1, 2, 7), ("a", "b"))
    ours.register(kept)
    other = Histogram("h", "What it is.", ("a", "b"), buckets=(0.1, 1, 2, 7), registry=theirs)
    for amount in amounts:
        kept.of("x", 1).observe(amount)
        other.labels("x", 1).observe(amount)
    created = "_created"
    text, wanted = (
        [line for line in generate_latest(each).decode().splitlines() if created not in line] for each in (ours, theirs)
    )
    assert text == wanted


def test_histograms_of_several_processes_are_prometheus_clients():
    registry = CollectorRegistry()
    observed = Families(registry, shared=True).seconds_by("h", "What it is.", "a")("x")
    observed.observe(2)
    observed.lend(2, {"request_id": "id"})
    assert registry.get_sample_value("h_seconds_bucket", {"a": "x", "le": "2.5"}) == 1
    assert registry.get_sample_value("h_seconds_sum", {"a": "x"}) == 2


class Amount(float):
    """One that can be seen to go."""


def test_what_was_observed_is_kept_no_longer_than_until_the_next_sample():
    metrics, amount = Metrics(), Amount(1.5)
    gone = weakref.ref(amount)
    metrics.process.loop_lag.observe(amount)
    del amount
    assert gone() == 1.5
    metrics.sample()
    assert gone() is None
    assert value(metrics, "sluice_event_loop_lag_seconds_sum") == 1.5


def test_the_oldest_of_those_who_wait_is_told():
    waiting = Waiting()
    assert (len(waiting), waiting.age) == (0, 0.0)
    first, second = waiting.begin(), waiting.begin()
    oldest = waiting.age
    waiting.end(first)
    assert len(waiting) == 1
    assert oldest > 0
    waiting.end(second)
    assert waiting.age == 0.0


def test_it_is_silence_when_somebody_waits_and_nobody_gets_anything():
    waiting = Waiting()
    assert waiting.silence == 0.0
    numbers = [waiting.begin() for _ in range(3)]
    silence = waiting.silence
    waiting.end(numbers[0], served=False)
    assert 0 < silence < waiting.silence
    silence = waiting.silence
    waiting.end(numbers[1])
    assert waiting.silence < silence
    waiting.end(numbers[2])
    assert waiting.silence == 0.0


async def test_pauses_of_the_loop_and_of_the_collector_are_told():
    metrics, seconds = Metrics(), iter(range(10_000))
    pauses = Pauses(metrics.process, lambda: float(next(seconds)))
    pauses.start()
    try:
        gc.collect()
        while not value(metrics, "sluice_gc_pause_seconds_total"):
            await asyncio.sleep(0.01)
    finally:
        await pauses.stop()
    assert value(metrics, "sluice_event_loop_lag_seconds_sum") > 0
    assert [callback for callback in gc.callbacks if getattr(callback, "__self__", None) is pauses] == []


async def test_the_exposition_is_written_beside_the_event_loop():
    metrics, threads = Metrics(), []

    def read() -> SimpleNamespace:
        threads.append(threading.get_ident())
        return SimpleNamespace(totals=None, age=None)

    metrics.seen.log_is("memory", read)
    await metrics.expose("")
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_nothing_is_lost_or_counted_twice_while_several_look():
    metrics, stop = Metrics(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            value(metrics, "sluice_key_requests_total", key="k")
            metrics.sample()

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for _ in range(20_000):
        metrics.door.used("k")
        metrics.broker.committed(1, 0.5)
    stop.set()
    for looker in lookers:
        looker.join()
    assert value(metrics, "sluice_key_requests_total", key="k") == 20_000
    assert value(metrics, "sluice_embedded_commit_seconds_bucket", le="0.25") == 0
    assert value(metrics, "sluice_embedded_commit_seconds_count") == 20_000
    assert value(metrics, "sluice_embedded_commit_seconds_sum") == 10_000
