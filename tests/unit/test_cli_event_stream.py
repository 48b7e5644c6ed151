"""The command line's reader of server-sent events: whatever pieces they come in."""

import random

from app.cli.event_stream import EventStream

FEED = b""": hello
id: 0:-1

event: message
data: {"a":1}
id: 0:0

data:two
data: lines
id: 0:1

: beat
id: 0:5

event: error
data: {}

retry: 5
data: half"""
TOLD = [("message", b'{"a":1}'), ("message", b"two\nlines"), ("error", b"{}")]


def test_events_are_whole_whatever_pieces_they_come_in():
    chance = random.Random(3)
    for _ in range(200):
        stream, told, rest = EventStream(), [], FEED
        while rest:
            size = chance.randint(1, 20)
            told += stream.feed(rest[:size])
            rest = rest[size:]
        assert told == TOLD
        assert stream.last_id == "0:5"


def test_of_a_connection_that_broke_only_whole_events_count():
    stream = EventStream()
    assert list(stream.feed(b"data: 1\nid: 0:0\n\ndata: 2\nid: 0:1\n")) == [("message", b"1")]
    stream.begin()
    assert stream.last_id == "0:0"
    assert list(stream.feed(b"data: 3\n\n")) == [("message", b"3")]
    assert stream.last_id == "0:0"
