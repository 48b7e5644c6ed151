"""When a fallen worker is started again."""

from app.resilience.backoff import Backoff
from app.resilience.restarts import Restarts


def restarts() -> Restarts:
    return Restarts(Backoff(0.5, 30, random=lambda: 0.5), steady=30)


def test_who_falls_at_once_waits_longer_each_time():
    place = restarts()
    assert [place.fell(0.1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_who_has_lived_for_a_while_comes_back_at_once():
    place = restarts()
    assert place.fell(3600) == 0
    assert place.fell(0.1) == 0.5
    assert place.fell(0.1) == 1
    assert place.fell(30) == 0
    assert place.fell(0.1) == 0.5
