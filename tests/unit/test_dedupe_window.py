"""Which ids the window remembers, and which it has forgotten."""

import tracemalloc
from collections.abc import Iterable

import pytest

from app.brokers.dedupe import PAGE, DedupeWindow
from app.record import Written


def at(offset: int, now_ms: int) -> Written:
    return Written(2, offset, now_ms)


def known(window: DedupeWindow, names: Iterable[str], now_ms: int) -> list[str]:
    return [name for name in names if window.find(name, now_ms)]


def fill(window: DedupeWindow, count: int, now_ms: int) -> list[str]:
    """So many ids, in calls of 100 and one of what is left."""
    names = [f"{now_ms}-{n}" for n in range(count)]
    for start in range(0, count, 100):
        window.add({name: at(start, now_ms) for name in names[start : start + 100]})
    return names


def test_an_id_is_known_with_its_place_until_it_leaves_the_window():
    window = DedupeWindow(1000, 10)
    window.add({"a": at(2**50, 5000), "b": at(2**50 + 1, 5000)})
    found = window.find("a", 5999)
    assert (found.partition, found.offset, found.timestamp_ms, found.duplicate) == (2, 2**50, 5000, True)
    assert window.find("a", 6000) is None
    window.add({"c": at(7, 6000)})
    assert known(window, "abc", 6000) == ["c"]


def test_it_tells_whether_it_may_know_any_of_several():
    window = DedupeWindow(1000, 10)
    window.add({"a": at(1, 5000)})
    assert "a" in window.ids
    assert window.ids.isdisjoint(["x", "y"])


def test_only_the_newest_are_kept():
    window = DedupeWindow(1000, 3)
    window.add({name: at(n, 5000) for n, name in enumerate("abcde")})
    assert known(window, "abcde", 5001) == ["c", "d", "e"]


def test_an_id_that_is_written_again_after_the_clock_was_set_back_counts_from_then_on():
    window = DedupeWindow(1000, 3)
    window.add({"a": at(0, 500), "b": at(1, 5000)})
    assert window.find("a", 5000) is None
    window.add({"a": at(2, 900)})  # as expired as before: nothing was forgotten in between
    window.add({"c": at(3, 1800), "d": at(4, 1800)})
    assert known(window, "abcd", 1800) == ["a", "c", "d"]
    assert window.find("a", 1800).offset == 2
    window.add({"e": at(5, 5900)})
    assert known(window, "abcde", 5900) == ["e"]


def test_an_id_asked_for_before_others_came_is_where_it_was_and_so_are_they():
    window = DedupeWindow(1000, 10)
    window.add({"a": at(0, 5000)})
    assert window.find("a", 5000).offset == 0
    window.add({"b": at(1, 5000), "c": at(2, 5000)})
    assert [window.find(name, 5000).offset for name in "abc"] == [0, 1, 2]


def test_what_is_too_much_is_let_go():
    window = DedupeWindow(1000, PAGE)
    names = fill(window, 3 * PAGE + 50, 5000)
    assert known(window, names, 5000) == names[-PAGE:]
    assert len(window) == PAGE


def test_what_is_too_old_is_let_go():
    window = DedupeWindow(1000, 10 * PAGE)
    fill(window, 2 * PAGE, 5000)
    names = fill(window, PAGE, 6000)
    assert known(window, names, 6000) == names
    assert len(window) == PAGE


def test_many_at_once_are_let_go_as_those_that_came_by_and_by():
    window = DedupeWindow(1000, 3 * PAGE)
    window.add({str(n): at(n, 5000) for n in range(3 * PAGE)})
    names = fill(window, PAGE, 5000)
    assert len(window) == 3 * PAGE
    assert known(window, [str(PAGE - 1), str(PAGE), *names], 5000) == [str(PAGE), *names]


@pytest.mark.parametrize(("count", "pause_ms"), [(PAGE + 100, 0), (PAGE, 1001)], ids=["too many", "too old"])
def test_ids_that_come_again_when_they_have_left_take_no_more_memory(count, pause_ms):
    window = DedupeWindow(1000, PAGE)
    names = [str(n) for n in range(count)]
    taken = []
    tracemalloc.start()
    for turn in range(50):
        for start in range(0, count, 100):
            window.add({name: at(start, 5000 + turn * pause_ms) for name in names[start : start + 100]})
        taken.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(taken) < 2 * taken[0]
    assert len(window) == PAGE


def test_what_is_younger_than_what_came_after_it_stays_for_its_own_time():
    window = DedupeWindow(1000, 10 * PAGE)
    young = fill(window, PAGE, 5000)
    fill(window, 200, 4000)  # the clock was set back
    fill(window, PAGE, 5500)
    assert known(window, young, 5500) == young


def test_an_id_written_again_outlives_what_it_was_first_written_with():
    window = DedupeWindow(1000, 10 * PAGE)
    first, *_ = fill(window, PAGE, 5000)
    window.add({first: at(7, 6000)})
    fill(window, PAGE, 6001)
    assert len(window) == PAGE + 1
    assert first in window.ids
    assert window.find(first, 6001).offset == 7


def test_a_window_of_no_length_remembers_nothing():
    window = DedupeWindow(0, 10)
    window.add({"a": at(0, 5000)})
    assert len(window) == 0
