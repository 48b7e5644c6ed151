"""Wrong keys: five at once, then one every six seconds, per address, in bounded memory."""

import pytest

from app.door.attempts import AT_ONCE, Attempts


class At:
    """A clock that is put forward by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return At()


def test_five_at_once_then_one_every_six_seconds(clock):
    attempts = Attempts(clock)
    assert [attempts.wrong_key("a") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert attempts.wrong_key("a") == pytest.approx(6)
    clock.now += 2.5
    assert attempts.wrong_key("a") == pytest.approx(3.5)
    clock.now += 3.5
    assert attempts.wrong_key("a") == 0.0
    assert attempts.wrong_key("a") == pytest.approx(6)


def test_knocking_on_does_not_make_it_longer(clock):
    attempts = Attempts(clock)
    waits = [attempts.wrong_key("a") for _ in range(1000)]
    assert waits[-1] == pytest.approx(6)


def test_half_a_minute_of_rest_forgives_all(clock):
    attempts = Attempts(clock)
    for _ in range(AT_ONCE + 1):
        attempts.wrong_key("a")
    clock.now += 30
    assert [attempts.wrong_key("a") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert attempts.wrong_key("a") > 0


def test_addresses_do_not_share(clock):
    attempts = Attempts(clock)
    for _ in range(AT_ONCE + 1):
        attempts.wrong_key("a")
    assert attempts.wrong_key("b") == 0.0


def test_many_addresses_take_bounded_room_and_no_abuser_is_forgiven(clock):
    attempts = Attempts(clock, most=100)
    for _ in range(AT_ONCE):
        attempts.wrong_key("abuser")
    let_through = sum(attempts.wrong_key(f"bot-{number}") == 0 for number in range(10_000))
    assert len(attempts) <= 101
    assert let_through == 99 + AT_ONCE
    assert attempts.wrong_key("abuser") > 0
    clock.now += 60
    assert attempts.wrong_key("somebody new") == 0
    assert len(attempts) == 1


def test_one_that_goes_on_does_not_keep_the_forgiven_from_making_room(clock):
    attempts = Attempts(clock, most=2)
    attempts.wrong_key("goes on")
    attempts.wrong_key("rests")
    clock.now += 25
    for _ in range(AT_ONCE):
        attempts.wrong_key("goes on")
    attempts.wrong_key("comes new")
    assert len(attempts) == 2
    assert attempts.wrong_key("goes on") > 0
