"""Records shown many at once look as they do one by one."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.polled import message_of, show
from app.record import Record, columns_of

_TEXTS = [b"", b"x", b"\xff", "é".encode()]
_VALUES = [
    None,
    b"",
    b"no json",
    b"[1]",
    b'{"id":"a"}',
    b'{"id":7}',
    b"{}",
    b'{ "id" : "b",\n"n":null}',
    b'{"id":"\xff"}',
]
_NAMES = ["event-id", "event-type", "request-id", "own", "x"]

plain = st.just(Record(7, 1_700_000_000_000, None, b'{"id":"a"}', (("event-id", b"a"), ("content-type", b"y"))))
strange = st.builds(
    Record,
    st.integers(0, 2**62),
    st.integers(0, 2**41),
    st.none() | st.sampled_from(_TEXTS),
    st.sampled_from(_VALUES),
    st.lists(st.tuples(st.sampled_from(_NAMES), st.none() | st.sampled_from(_TEXTS)), max_size=4).map(tuple),
)


@given(st.lists(plain, min_size=1) | st.lists(plain | strange, min_size=1))
@example([Record(0, 0, b"\xff", b'{"id":"a"}'), Record(1, 0, None, b'{"id":"a"}')])
def test_many_are_shown_as_each_is_alone(records: list[Record]):
    assert show(columns_of(records)) == msgspec.json.encode([message_of(record) for record in records])


@pytest.mark.parametrize("key", [None, b"", b"order-7"])
def test_what_we_write_is_shown_as_it_stands(key: bytes | None):
    [message] = msgspec.json.decode(show(columns_of([Record(3, 1000, key, b'{"id":"a","n":1.50}')])), type=list[dict])
    assert message == {
        "offset": 3,
        "timestamp": "1970-01-01T00:00:01.000Z",
        "id": "a",
        "key": None if key is None else key.decode(),
        "event": {"id": "a", "n": 1.5},
        "size": 19,
    }
