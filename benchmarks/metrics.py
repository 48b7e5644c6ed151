"""What metrics cost a request: all that is told of a send of one message, and of a poll of one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.api.call import Call
from app.record import NewRecord, Written
from app.telemetry.metrics import Metrics

_TIMES = 5000
_RECORDS = [NewRecord.of(0, b"x" * 280, 0)]
_CALL = Call("b1946ac92492d2347c6235b4d2611184")
_OUTCOMES = [Written(0, 0, 0)]


class Cost:
    """CPU, since nothing here waits: microseconds a request, the least of many turns."""

    title = "metrics of one process, of a request (wanted: 5 us)"

    def one_round(self, seconds: float) -> dict[str, float]:
        metrics = Metrics()
        return {
            "a send, us": _least(lambda: _send(metrics), metrics.sample, seconds / 2),
            "a poll, us": _least(lambda: _poll(metrics), metrics.sample, seconds / 2),
        }


@contextmanager
def cost() -> Iterator[Cost]:
    yield Cost()


def _send(metrics: Metrics) -> None:
    metrics.door.charged("k1", 1, 300)
    metrics.messages.sent("orders", "paid", _RECORDS, _OUTCOMES, 0.0012)
    _answer(metrics, "POST", 201)


def _poll(metrics: Metrics) -> None:
    metrics.messages.polled("orders", "paid", messages=1, size=280, seconds=0.0009)
    _answer(metrics, "GET", 200)


def _answer(metrics: Metrics, method: str, status: int) -> None:
    now = time.perf_counter()
    metrics.http.answered(
        method,
        "/streams/{stream}/topics/{topic}/messages",
        status,
        (now - 0.0013, now),
        (300, 500),
        _CALL,
    )
    metrics.door.used("k1")


def _least(work: Callable[[], None], settle: Callable[[], None], seconds: float) -> float:
    found, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.process_time_ns()
        for _ in range(_TIMES):
            work()
        settle()
        found = min(found, (time.process_time_ns() - started) / _TIMES / 1000)
    return found
