"""Every parser at the door as a function of bytes, with what must hold whatever the bytes are.

A target returns for input that is taken or refused as it should be; it fails by raising anything, an AssertionError
included. Only SluiceError may come out of a parser.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path

import msgspec
from yarl import URL

from app.addresses import TrustedProxies, network_of
from app.api.compression import ENCODERS, negotiate
from app.api.parsing import events as parsing_events
from app.api.parsing import messages as parsing
from app.api.parsing import offsets as parsing_offsets
from app.api.parsing import tails as parsing_tails
from app.api.parsing import topics as parsing_topics
from app.api.parsing.strict import head_of, strict_json
from app.door.key_file import BadKeyFile, read_keys
from app.door.keyring import Keyring
from app.door.keys import Key, digest, key_text, split_key
from app.door.scopes import Right, Scopes
from app.errors import BadRequest, SluiceError
from app.event import EventEncoder
from app.gateway.message import Message, Origin, record_of
from app.names import MAX_BROKER_NAME, TopicName, consumer_id, is_internal, new_stream_name
from app.topic import check_embedded
from fuzz.connection import answers_to, frames_after
from fuzz.grammar import Sends

MOST = 5
_ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c03"
_parser = parsing.Parser(EventEncoder(now=lambda: datetime(2026, 1, 15, tzinfo=UTC), new_id=lambda: _ID), most=MOST)
_KEY = "gw_shop_secret"
_ring = Keyring(lambda: 0)
_ring.replace([Key("shop", (digest("secret").hex(),), ("admin",))])
_TEXT, _CLOSE, _OUR_MISTAKE = 1, 8, 1011
"""Opcodes and a close code of RFC 6455, 5.2 and 7.4.1."""
_FAR = "203.0.113.9"
_proxies = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
_exact = msgspec.json.Decoder(float_hook=Decimal).decode


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What is refused is so with a code and a sentence."""
    try:
        yield
    except SluiceError as error:
        assert error.code
        assert error.message


def names(data: bytes) -> None:
    """What can be created can be addressed, and both can be told from the broker's name."""
    stream, _, topic = data.decode(errors="replace").partition("/")
    with refusals():
        name = TopicName.address(stream, topic)
        assert TopicName.from_broker(name.full) == name
        assert len(name.full) <= MAX_BROKER_NAME
        assert not is_internal(name.full)
    with refusals():
        created = TopicName.create(new_stream_name(stream), topic)
        assert TopicName.address(stream, topic) == created
    with refusals():
        assert consumer_id(topic) == topic
        assert TopicName.address("s", topic).topic == topic or len(topic) > MAX_BROKER_NAME - 2


def event(data: bytes) -> None:
    """What is taken makes a record that polls show, and that sent again is the same to the byte."""
    with refusals():
        message = _parser.send(data)
        assert message == _parser.send_closely(data)
        record = record_of(message, 0, message.key, 0, Origin("r").headers())
        if (encoded := message.event) is None:
            assert record.value is None
            return
        head = head_of(encoded.value)
        assert head is not None
        assert head.id == encoded.id
        again = _parser.send(b'{"event":' + encoded.value + b"}").event
        assert again == encoded
        _check_generic(data, encoded.value)


def built_event(data: bytes) -> None:
    """The same of bodies that are JSON by construction, and often events."""
    event(Sends(data).body())


def _check_generic(body: bytes, value: bytes) -> None:
    """A generic payload comes back as it was written."""
    written, stored = _exact(body)["event"], _exact(value)
    if stored["payload"]["type"] == "Generic" and "data" not in written:
        assert stored["payload"] == written["payload"]


def batch(data: bytes) -> None:
    """A batch of 1 to MOST items, each a message or why it is none; the whole can be refused by them."""
    with refusals():
        _check_items(_parser.batch(data))


def ndjson(data: bytes) -> None:
    """As many items as lines that aren't blank; the same line reads the same alone."""
    with refusals():
        items = _parser.lines(data)
        _check_items(items)
        lines = [line for line in data.split(b"\n") if line.strip()]
        for line, item in zip_longest(lines, items):
            [alone] = _parser.lines(line)
            assert (alone == item) if isinstance(item, Message) else (str(alone) == str(item))


def _check_items(items: list[parsing.Item]) -> None:
    assert 1 <= len(items) <= MOST
    if any(isinstance(item, SluiceError) for item in items):
        assert parsing.refused_batch(items).details


def query(data: bytes) -> None:
    """Numbers within their bounds, whatever the text."""
    read = _query(data)
    with refusals():
        poll = parsing.poll_query(read, most=MOST)
        assert 0 <= poll.partition < 2**31
        assert poll.offset is None or 0 <= poll.offset < 2**63
        assert 1 <= poll.limit.count <= MOST
        assert 1 <= poll.limit.max_bytes < 2**31
        assert 0 <= poll.wait <= 30
        assert consumer_id(poll.consumer_id) == poll.consumer_id
    with refusals():
        assert parsing.wants_partial(read) in (True, False)
    with refusals():
        assert consumer_id(parsing_offsets.offsets_query(read).consumer_id)


def events(data: bytes) -> None:
    """A question for events has sane bounds, and a cursor that is taken is one that is given."""
    read = _query(data)
    with refusals():
        asked = parsing_events.events_query(read)
        assert 1 <= asked.limit <= 1000
        assert asked.start is None or asked.end is None or asked.start <= asked.end
        for bound in (asked.start, asked.end):
            assert bound is None or abs(bound) < 2**62
        if asked.after is not None:
            assert abs(asked.after.at) < 2**62
            again = parsing_events.cursor_of(asked.after, descending=asked.descending)
            assert parsing_events.read_cursor(again, descending=asked.descending) == asked.after
    with refusals():
        parsing_events.summary_query(read)


def _query(data: bytes) -> Mapping[str, str]:
    """As aiohttp reads it: out of the target's bytes, which its parser lets through only where they are ASCII."""
    text = data.decode("ascii", errors="replace").replace("\ufffd", "%ff")
    return URL.build(path="/messages", query_string=text, encoded=True).query


def admin(data: bytes) -> None:
    """Bodies about streams, topics and offsets."""
    with refusals():
        assert isinstance(parsing_topics.stream_name(data), str)
    with refusals():
        name, spec = parsing_topics.topic_spec("orders", data)
        assert spec.name == name.full
        check_embedded(spec)
    with refusals():
        partitions, configs = parsing_topics.topic_change(data)
        assert partitions is None or 1 <= partitions <= 1000
        assert all(isinstance(value, str) for value in configs.values())
    with refusals():
        wanted = parsing_offsets.offsets_wanted(data)
        assert not isinstance(wanted, Mapping) or (wanted and all(0 <= offset < 2**63 for offset in wanted.values()))


def strict(data: bytes) -> None:
    """The quick look that polls take says what the strict parser says."""
    try:
        parsed = strict_json(data)
    except BadRequest:
        parsed = None
    head = head_of(data)
    assert (head is not None) == isinstance(parsed, dict)
    if head is not None:
        assert head.id == parsed.get("id")


def encodings(data: bytes) -> None:
    """Accept-Encoding: one of ours or none, in any case of letters."""
    text = data.decode("utf-8", "surrogateescape")
    chosen = negotiate(text)
    assert chosen is None or chosen in ENCODERS
    if text.isascii():
        assert negotiate(text.upper()) == chosen


def forwarded(data: bytes) -> None:
    """Lines: the peer, `X-Real-IP`, `X-Forwarded-For`; what a client puts before what proxies add changes nothing."""
    peer, _, rest = data.decode("utf-8", "surrogateescape").partition("\n")
    real, _, rest = rest.partition("\n")
    hops = rest.split("\n") if rest else []
    found = _proxies.client(peer, hops, real)
    if _proxies.client(peer, [_FAR], None) == peer:
        assert found == peer
    elif found != peer:
        assert str(ip_address(found)) == found
        if hops and _proxies.client(found, [_FAR], None) == found:
            assert _proxies.client(peer, [_FAR, *hops], _FAR) == found
    counted = network_of(found)
    assert network_of(counted) == counted


def networks(data: bytes) -> None:
    """TRUSTED_PROXIES: refused, or the address of each entry is trusted, and nobody is where there is none."""
    entries = data.decode(errors="replace").split(",")
    try:
        proxies = TrustedProxies(entries)
    except ValueError as error:
        assert "is neither an address nor a network" in str(error)
        return
    for entry in entries:
        host, _, length = entry.strip().partition("/")
        mapped = getattr(ip_address(host), "ipv4_mapped", None)
        if length and mapped:  # IPv4 written as IPv6 with less than its prefix is no network of IPv4
            continue
        assert proxies.client(host, [_FAR], None) == _FAR
        assert proxies.client(host, [], None) == host


def keys(data: bytes) -> None:
    """Whatever is presented, only the key itself is valid; what can be told apart can be put together again."""
    text = data.decode("utf-8", "surrogateescape")
    identity = _ring.identify({text})
    assert (identity.name == "shop") == (text == _KEY)
    assert identity.refused or identity.name == "shop"
    key_id, secret = split_key(text)
    assert not secret or key_text(key_id, secret) == text


def scopes(data: bytes) -> None:
    """Scopes, a line each, then a line `stream.topic`: rights that agree with each other."""
    *lines, topic = data.decode(errors="replace").split("\n")
    stream, _, topic = topic.partition(".")
    try:
        found = Scopes(lines)
    except ValueError:
        return
    for right in (Right.PRODUCE, Right.CONSUME):
        if found.permit(right, stream, topic):
            assert found.sees_topic(stream, topic)
    assert found.permit(Right.ADMIN, stream, topic) == ("admin" in lines)
    if found.sees_topic(stream, topic):
        assert found.sees_stream(stream)


def key_file(data: bytes) -> None:
    """A file of keys: each once, fit for a keyring; or why it can't be used, in one line."""
    path = Path(tempfile.gettempdir()) / f"sluice-fuzz-{os.getpid()}.json"
    path.write_bytes(data)
    try:
        found = read_keys(path)
    except BadKeyFile as error:
        assert str(error)
        return
    finally:
        path.unlink()
    assert len({key.id for key in found}) == len(found)
    Keyring(lambda: 0).replace(found)


def http(data: bytes) -> None:
    """Raw bytes to the real server: whole answers, each with a sane request id, and no 5xx."""
    for answer in answers_to(data):
        assert answer.status < 500
        assert answer.request_id
        if answer.timeout is not None:
            assert 100 <= int(answer.timeout) <= 30_000


def last_event_id(data: bytes) -> None:
    """Places that are taken are those of partitions, each once, and what we write of them says the same."""
    with refusals():
        found = parsing_tails.read_places(data.decode("utf-8", "surrogateescape"))
        assert found
        assert all(0 <= partition < 10**10 and -1 <= offset < 10**18 for partition, offset in found.items())
        positions = {partition: offset + 1 for partition, offset in found.items()}
        known = {partition: offset for partition, offset in found.items() if offset >= 0}
        assert parsing_tails.read_places(parsing_tails.places(positions)) in (known, {next(iter(found)): -1})


def acks(data: bytes) -> None:
    """A frame is an acknowledgement of a record that can be, or refused."""
    with refusals():
        partition, offset = parsing_tails.ack_of(data.decode("utf-8", "replace"))
        assert 0 <= partition < 2**31
        assert 0 <= offset < 2**63 - 1


def frames(data: bytes) -> None:
    """Raw bytes on a WebSocket of the real server: whole frames, a reason for what is refused, no mistake of ours."""
    for opcode, payload in frames_after(data):
        if opcode == _TEXT:
            assert msgspec.json.decode(payload)["error"] == "bad_request"
        elif opcode == _CLOSE:
            assert not payload or int.from_bytes(payload[:2]) != _OUR_MISTAKE


_DOOR = (encodings, forwarded, networks, keys, scopes, key_file, http)
_LIVE = (last_event_id, acks, frames)
_ALL = (names, event, built_event, batch, ndjson, query, events, admin, strict, *_LIVE, *_DOOR)
TARGETS: Mapping[str, Callable[[bytes], None]] = {target.__name__: target for target in _ALL}
