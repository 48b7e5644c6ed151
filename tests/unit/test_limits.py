"""The rate limit: what it lets through in any stretch of time, what it tells, what it remembers."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.door.limits import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_is_emptied_at_once_and_fills_slowly(clock):
    limiter = RateLimiter(10, 5, clock)
    verdicts = [limiter.take("a") for _ in range(5)]
    assert [v.remaining for v in verdicts] == [4, 3, 2, 1, 0]
    assert all(v.wait == 0 and v.limit == 5 and v.reset == 1 for v in verdicts)
    refused = limiter.take("a")
    assert (refused.remaining, refused.reset) == (0, 1)
    assert refused.wait == pytest.approx(0.1)
    clock.now += 0.1
    assert limiter.take("a").wait == 0
    assert limiter.take("a").wait > 0
    clock.now += 60
    assert limiter.take("a").remaining == 4


def test_who_is_refused_loses_nothing_by_asking(clock):
    limiter = RateLimiter(1, 1, clock)
    limiter.take("a")
    for _ in range(100):
        assert limiter.take("a").wait == pytest.approx(1)
    clock.now += 1
    assert limiter.take("a").wait == 0


def test_callers_have_buckets_and_may_have_numbers_of_their_own(clock):
    limiter = RateLimiter(1, 1, clock)
    assert limiter.take("a").wait == 0
    assert limiter.take("b").wait == 0
    assert limiter.take("a").wait > 0
    assert [limiter.take("c", 100, 3).wait == 0 for _ in range(4)] == [True, True, True, False]
    assert limiter.take("d", 0) is None


def test_nothing_is_limited_at_a_rate_of_0(clock):
    assert RateLimiter(0, 1, clock).take("a") is None


def test_one_who_is_not_full_is_never_forgotten_for_want_of_room(clock):
    limiter = RateLimiter(1, 2, clock, most=100)
    for _ in range(2):
        limiter.take("abuser")
    for n in range(1000):
        limiter.take(f"new {n}")
    assert limiter.take("abuser").wait > 0
    assert len(limiter) <= 101
    clock.now += 10  # all are full again: there is room for whoever comes
    assert limiter.take("newer").remaining == 1
    assert len(limiter) == 1


def test_a_hundred_thousand_callers_take_twenty_megabytes_at_most(clock):
    limiter = RateLimiter(100, 50, clock)
    tracemalloc.start()
    for n in range(100_000):
        limiter.take(f"{n % 256}.{n // 256 % 256}.{n // 65_536}.7")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size <= 20 * 1024 * 1024


@given(
    rps=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5) | st.just(0.0), min_size=1, max_size=200),
)
def test_in_no_stretch_of_time_is_more_let_through_than_burst_and_rate(rps, burst, pauses):
    clock = Clock()
    limiter = RateLimiter(rps, burst, clock)
    let_through = []
    for pause in pauses:
        clock.now += pause
        verdict = limiter.take("a")
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
    limiter = RateLimiter(rps, burst, clock)
    for _ in range(asked):
        verdict = limiter.take("a")
        if verdict.wait:
            clock.now += verdict.wait
            assert limiter.take("a").wait == 0
