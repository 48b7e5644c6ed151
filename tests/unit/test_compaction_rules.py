"""When a log is compacted, and what of it stays: Kafka's rules, without a log."""

import pytest

from app.brokers.compaction import Newest, is_due
from app.topic import CompactionConfigs

NOW_MS = 1_000_000


@pytest.mark.parametrize(
    ("dirty_bytes", "age_ms", "due"),
    [(0, 0, False), (49, 0, False), (50, 0, True), (1, 60_000, False), (1, 60_001, True), (0, 60_001, False)],
)
def test_a_round_is_due_when_enough_is_dirty_or_it_has_been_so_for_too_long(dirty_bytes, age_ms, due):
    configs = CompactionConfigs.read({"max.compaction.lag.ms": "60000"})
    found = is_due(configs, dirty_bytes=dirty_bytes, all_bytes=100, oldest_ms=NOW_MS - age_ms, now_ms=NOW_MS)
    assert found is due


def test_the_newest_of_a_key_stays_and_so_does_what_has_no_key():
    newest = Newest(NOW_MS, 500)
    for offset, key in enumerate([b"a", b"b", None, b"a"]):
        newest.add(offset, key)
    keys = {0: b"a", 1: b"b", 2: None, 3: b"a", 4: b"a", 5: b"new"}
    assert [offset for offset, key in keys.items() if newest.keeps(offset, key, None)] == [1, 2, 3, 4, 5]


def test_a_tombstone_goes_at_its_time_and_not_before():
    newest = Newest(NOW_MS, 500)
    assert newest.delete_at_ms == NOW_MS + 500
    assert [newest.keeps(0, b"k", at) for at in (None, NOW_MS + 1, NOW_MS)] == [True, True, False]
