"""How much of a topic is read again to know its repeats."""

import pytest

from app.brokers.kafka.repeats import newest


@pytest.mark.parametrize(
    ("starts", "ends", "most", "expected"),
    [
        ({0: 0, 1: 5}, {0: 10, 1: 8}, 100, {0: 0, 1: 5}),
        ({0: 0, 1: 0}, {0: 100, 1: 100}, 100, {0: 50, 1: 50}),
        ({0: 0, 1: 0, 2: 7}, {0: 300, 1: 100, 2: 7}, 40, {0: 270, 1: 90, 2: 7}),
        ({}, {}, 10, {}),
    ],
)
def test_each_partition_gives_up_the_same_share(starts, ends, most, expected):
    assert newest(starts, ends, most) == expected
    assert sum(ends[number] - start for number, start in expected.items()) <= most
