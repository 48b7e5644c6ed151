"""The circuit breaker and the pauses between attempts, with a clock that is set by hand."""

import pytest

from app.resilience.backoff import Backoff
from app.resilience.breaker import BreakerPolicy, CircuitBreaker, Rejected


class Bench:
    """A breaker, its clock and what it told."""

    def __init__(self, **policy) -> None:
        self.now = 0.0
        self.states: list[str] = []
        self.rejected: list[str] = []
        self.breaker = CircuitBreaker(
            BreakerPolicy(**policy),
            clock=lambda: self.now,
            changed=self.states.append,
            rejected=self.rejected.append,
        )

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.permit().failed()

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.permit().succeeded()


def test_failures_in_a_row_open_it_and_a_success_between_starts_the_count_again():
    bench = Bench(failures=3)
    bench.fail(2)
    bench.succeed()
    bench.fail(2)
    assert bench.breaker.state == "closed"
    bench.fail()
    assert bench.states == ["open"]
    with pytest.raises(Rejected) as caught:
        bench.breaker.permit()
    assert (caught.value.state, caught.value.retry_after) == ("open", 30)
    assert bench.rejected == ["open"]


def test_after_its_time_it_lets_a_few_through_and_their_success_closes_it():
    bench = Bench(failures=1, successes=2, open_seconds=10)
    bench.fail()
    bench.now = 10
    first, second = bench.breaker.permit(), bench.breaker.permit()
    with pytest.raises(Rejected):
        bench.breaker.permit()
    first.succeeded()
    assert bench.breaker.state == "half_open"
    second.succeeded()
    assert bench.states == ["open", "half_open", "closed"]


def test_one_failure_of_those_opens_it_again_for_the_whole_time():
    bench = Bench(failures=1, open_seconds=10)
    bench.fail()
    bench.now = 10
    bench.fail()
    bench.now = 19
    with pytest.raises(Rejected):
        bench.breaker.permit()
    bench.now = 20
    bench.succeed(2)
    assert bench.breaker.state == "closed"


def test_a_try_that_tells_nothing_is_handed_back():
    bench = Bench(failures=1, successes=1, open_seconds=10)
    bench.fail()
    bench.now = 10
    for _ in range(5):
        bench.breaker.permit().gave_back()
    assert bench.breaker.state == "half_open"
    bench.succeed()
    assert bench.breaker.state == "closed"


def test_tries_that_never_come_back_are_replaced_after_the_time():
    bench = Bench(failures=1, successes=2, open_seconds=10)
    bench.fail()
    bench.now = 10
    bench.breaker.permit()
    bench.breaker.permit()
    bench.now = 19
    with pytest.raises(Rejected):
        bench.breaker.permit()
    bench.now = 20
    bench.succeed(2)
    assert bench.breaker.state == "closed"


def test_late_failures_do_not_keep_it_open_and_late_successes_do_not_close_it():
    bench = Bench(failures=1, open_seconds=10)
    late, later = bench.breaker.permit(), bench.breaker.permit()
    bench.fail()
    bench.now = 9
    late.failed()
    later.succeeded()
    assert bench.breaker.state == "open"
    bench.now = 10
    bench.breaker.permit()
    assert bench.breaker.state == "half_open"


def test_it_can_be_told_that_the_other_side_answers_again():
    bench = Bench(failures=1)
    bench.breaker.half_open()
    assert bench.breaker.state == "closed"
    bench.fail()
    bench.breaker.half_open()
    bench.succeed(2)
    assert bench.states == ["open", "half_open", "closed"]


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.5, [1, 2, 4, 8, 10, 10]), (0.0, [0.8, 1.6, 3.2, 6.4, 8, 8]), (1.0, [1.2, 2.4])]
)
def test_pauses_double_up_to_the_most_give_or_take_a_fifth(chance, expected):
    backoff = Backoff(1, 10, random=lambda: chance)
    assert [pytest.approx(backoff.after(n)) for n in range(1, len(expected) + 1)] == expected


def test_no_pause_is_below_a_tenth_of_a_second_and_many_attempts_do_not_overflow():
    assert Backoff(0.001, 10, random=lambda: 0.5).after(1) == 0.1
    assert Backoff(1, 10, random=lambda: 0.5).after(100_000) == 10
