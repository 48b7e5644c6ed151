"""Which ids the window remembers, and which it has forgotten."""

from app.brokers.dedupe import DedupeWindow
from app.record import Written


def at(offset: int, now_ms: int) -> Written:
    return Written(2, offset, now_ms)


def test_an_id_is_known_with_its_place_until_it_leaves_the_window():
    window = DedupeWindow(1000, 10)
    window.add({"a": at(2**50, 5000), "b": at(2**50 + 1, 5000)})
    found = window.find("a", 5999)
    assert (found.partition, found.offset, found.timestamp_ms, found.duplicate) == (2, 2**50, 5000, True)
    assert window.find("a", 6000) is None
    window.add({"c": at(7, 6000)})
    assert len(window) == 1


def test_it_tells_whether_it_may_know_any_of_several():
    window = DedupeWindow(1000, 10)
    window.add({"a": at(1, 5000)})
    assert "a" in window.ids
    assert window.ids.isdisjoint(["x", "y"])


def test_only_the_newest_are_kept():
    window = DedupeWindow(1000, 3)
    window.add({name: at(n, 5000) for n, name in enumerate("abcde")})
    assert [name for name in "abcde" if window.find(name, 5001)] == ["c", "d", "e"]


def test_an_id_that_is_written_again_after_the_clock_was_set_back_counts_from_then_on():
    window = DedupeWindow(1000, 3)
    window.add({"a": at(0, 500), "b": at(1, 5000)})
    assert window.find("a", 5000) is None
    window.add({"a": at(2, 900)})  # as expired as before: nothing was forgotten in between
    window.add({"c": at(3, 1800), "d": at(4, 1800)})
    assert len(window) == 3
    assert window.find("b", 1800) is None
    assert window.find("a", 1800).offset == 2
    window.add({"e": at(5, 5900)})
    assert [name for name in "abcde" if window.find(name, 5900)] == ["e"]
    assert len(window) == 1


def test_a_window_of_no_length_remembers_nothing():
    window = DedupeWindow(0, 10)
    window.add({"a": at(0, 5000)})
    assert len(window) == 0
