"""The limits: what they let through in any stretch of time, what they tell, what they remember."""

import multiprocessing
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.door.limits import Demand, LocalLimiter
from app.door.moments import Moments


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock) -> LocalLimiter:
    return LocalLimiter(Moments.alone(100), clock)


def said(taking):
    """What a local limiter says, which waits for nothing."""
    try:
        taking.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


def one(limiter: LocalLimiter, *demand, **how):
    return limiter.take(Demand(*demand, **how))


def test_a_bucket_is_emptied_at_once_and_fills_slowly(limiter, clock):
    verdicts = [one(limiter, "a", 10, 5) for _ in range(5)]
    assert [v.remaining for v in verdicts] == [4, 3, 2, 1, 0]
    assert all(v.wait == 0 and v.limit == 5 and v.reset == 1 for v in verdicts)
    refused = one(limiter, "a", 10, 5)
    assert (refused.remaining, refused.reset) == (0, 1)
    assert refused.wait == pytest.approx(0.1)
    clock.now += 0.1
    assert one(limiter, "a", 10, 5).wait == 0
    assert one(limiter, "a", 10, 5).wait > 0
    clock.now += 60
    assert one(limiter, "a", 10, 5).remaining == 4


def test_who_is_refused_loses_nothing_by_asking(limiter, clock):
    one(limiter, "a", 1, 1)
    for _ in range(100):
        assert one(limiter, "a", 1, 1).wait == pytest.approx(1)
    clock.now += 1
    assert one(limiter, "a", 1, 1).wait == 0


def test_callers_have_buckets_of_their_own(limiter):
    assert one(limiter, "a", 1, 1).wait == 0
    assert one(limiter, "b", 1, 1).wait == 0
    assert one(limiter, "a", 1, 1).wait > 0
    assert [one(limiter, "c", 100, 3).wait == 0 for _ in range(4)] == [True, True, True, False]


def test_changed_numbers_count_at_once(limiter):
    for _ in range(50):
        one(limiter, "a", 0.01, 50)
    assert one(limiter, "a", 0.01, 50).wait > 60
    assert one(limiter, "a", 100, 50).remaining == 49


def test_what_is_larger_than_the_bucket_is_a_debt_that_is_paid_off_first(limiter, clock):
    assert one(limiter, "a", 10, 10, 35).wait == 0
    assert one(limiter, "a", 10, 10, 1).wait == pytest.approx(2.6)
    clock.now += 2.6
    assert one(limiter, "a", 10, 10, 1).wait == 0


def test_of_several_demands_all_are_met_or_none(limiter):
    many, few = Demand("many", 1, 10), Demand("few", 1, 1)
    assert [v.wait for v in said(limiter.take_all(many, few))] == [0, 0]
    assert [v.wait > 0 for v in said(limiter.take_all(many, few))] == [False, True]
    assert one(limiter, "many", 1, 10).remaining == 8


def test_one_who_is_not_full_is_never_forgotten_for_want_of_room(clock):
    limiter = LocalLimiter(Moments.alone(4), clock)
    for _ in range(2):
        one(limiter, "abuser", 1, 2)
    let_in = sum(one(limiter, f"new {n}", 1, 2).wait == 0 for n in range(1000))
    assert one(limiter, "abuser", 1, 2).wait > 0
    assert 16 < let_in <= 32 + 2
    assert one(limiter, "of another kind", 2, 3).remaining == 2, "a slow kind must not lock out another"
    clock.now += 1000  # all are full again: there is room for whoever comes
    assert one(limiter, "newer", 1, 2).remaining == 1


def test_a_hundred_thousand_callers_take_twenty_megabytes_at_most_and_have_a_bucket_each(clock):
    tracemalloc.start()
    limiter = LocalLimiter(Moments.alone(), clock)
    let_in = sum(
        one(limiter, f"{n % 256}.{n // 256 % 256}.{n // 65_536}.7", 0.001, 1).wait == 0 for n in range(100_000)
    )
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size <= 20 * 1024 * 1024
    assert let_in >= 99_000


def _take_many(path, times: int) -> int:
    limiter = LocalLimiter(Moments.shared(path, 100), time.monotonic)
    return sum(one(limiter, "a", 0.001, 500).wait == 0 for _ in range(times))


def test_several_processes_have_one_limit(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        let_through = pool.starmap(_take_many, [(tmp_path / "limits", 1000)] * 3)
    assert sum(let_through) == 500


@given(
    rps=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5) | st.just(0.0), min_size=1, max_size=200),
)
def test_in_no_stretch_of_time_is_more_let_through_than_burst_and_rate(rps, burst, pauses):
    clock = Clock()
    limiter = LocalLimiter(Moments.alone(1), clock)
    let_through = []
    for pause in pauses:
        clock.now += pause
        verdict = one(limiter, "a", rps, burst)
        assert 0 <= verdict.remaining < burst + 1
        if verdict.wait == 0:
            let_through.append(clock.now)
        else:
            assert verdict.remaining == 0
    for first, began in enumerate(let_through):
        for last in range(first, len(let_through)):
            assert last - first + 1 <= burst + rps * (let_through[last] - began) + 1e-3


@given(rps=st.floats(0.1, 1000), burst=st.integers(1, 50), asked=st.integers(1, 120))
def test_who_waits_as_long_as_told_is_let_through(rps, burst, asked):
    clock = Clock()
    limiter = LocalLimiter(Moments.alone(1), clock)
    for _ in range(asked):
        verdict = one(limiter, "a", rps, burst)
        if verdict.wait:
            clock.now += verdict.wait
            assert one(limiter, "a", rps, burst).wait == 0
