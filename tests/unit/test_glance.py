"""What is taken at a glance is what a close look takes, to the byte, and nothing else."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.parsing import glance
from app.api.parsing.messages import Parser
from app.errors import SluiceError
from app.event import EventEncoder

ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01"
MOMENT = datetime(2026, 11, 30, 12, 0, 0, 5, tzinfo=UTC)
ENCODER = EventEncoder(now=lambda: MOMENT, new_id=lambda: ID)
PARSER = Parser(ENCODER, most=10)
COMMON = {"event_type": "order.paid", "payload": {"type": "Generic", "data": {"n": 1}}}

TEXTS = st.one_of(
    st.text(max_size=8), st.sampled_from(["", "é", "\u2028", "\x7f", "a\n", "\ud800", "x" * 256, "x" * 257, "k" * 255])
)
NUMBERS = st.one_of(st.integers(-1, 3), st.floats(), st.sampled_from([1.0, 2**63 - 1, 2**63, 10**30, True]))
IDS = st.sampled_from([ID, ID.upper(), ID + "\n", ID.replace("-", ""), "", "x"])
TIMES = st.sampled_from(
    [
        "2026-11-30T12:00:00Z",
        "2026-11-30T12:00:00.123456789Z",
        "2026-11-30 12:00:00Z",
        "2026-11-30T12:00:00+00:00",
        "2026-11-30T14:00:00+02:00",
        "2026-11-30T12:00:00-00:00",
        "2026-11-30T12:00:00",
        "2026-11-30",
        "0001-01-01T00:00:00+01:00",
        "soon",
        1_796_040_000,
        1.5,
    ]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
PAYLOADS = st.one_of(
    st.fixed_dictionaries({"type": st.just("Generic"), "data": ANYTHING}, optional={"more": ANYTHING}),
    st.fixed_dictionaries({"type": st.sampled_from(["Generic", "User", "generic", None])}),
    st.just({"type": "User", "data": {"action": "Deleted", "user_id": ID}}),
    ANYTHING,
)
OPTIONAL = {
    "id": IDS,
    "event_id": IDS,
    "timestamp": TIMES,
    "correlation_id": IDS,
    "causation_id": IDS,
    "source": TEXTS,
    "aggregate_id": TEXTS,
    "aggregate_type": TEXTS,
    "version": NUMBERS,
    "metadata": st.dictionaries(TEXTS, ANYTHING, max_size=2),
    "data": ANYTHING,
    "event": ANYTHING,
    "more": ANYTHING,
}
USUAL = st.fixed_dictionaries({"event_type": st.just("a.b"), "payload": st.just(COMMON["payload"])})
MEMBERS = {name: st.one_of(values, values, values, st.none(), ANYTHING) for name, values in OPTIONAL.items()}


@st.composite
def events(draw):
    """Usual ones with a few members that may be right, wrong, or right in another form."""
    event = draw(st.one_of(USUAL, USUAL, st.fixed_dictionaries({"event_type": TEXTS, "payload": PAYLOADS})))
    for name in draw(st.lists(st.sampled_from(sorted(OPTIONAL)), max_size=3, unique=True)):
        event[name] = draw(MEMBERS[name])
    names = draw(st.permutations(sorted(event)))
    return {name: event[name] for name in names}


MESSAGES = st.fixed_dictionaries(
    {"event": st.one_of(events(), events(), ANYTHING)},
    optional={
        "partition_key": st.one_of(TEXTS, ANYTHING),
        "partition_id": NUMBERS,
        "headers": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "more": ANYTHING,
    },
)
BATCHES = st.one_of(
    st.fixed_dictionaries({"events": st.lists(events(), max_size=4)}, optional={"partition_key": TEXTS}),
    st.fixed_dictionaries({"messages": st.lists(MESSAGES, max_size=4)}, optional={"partition_key": TEXTS}),
    st.fixed_dictionaries({"events": ANYTHING}, optional={"messages": ANYTHING, "more": ANYTHING}),
)
FORMS = st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 1}, {"separators": (",", ":")}])


def written(value, form) -> bytes:
    return json.dumps(value, **form).encode("utf-8", "surrogatepass")


def told(error: SluiceError):
    return type(error), error.message, error.details


def outcome(read, body):
    """What reading the body makes of it, refusals included."""
    try:
        found = read(body)
    except SluiceError as error:
        return told(error)
    items = found if isinstance(found, list) else [found]
    return [told(item) if isinstance(item, SluiceError) else item for item in items]


@given(MESSAGES, FORMS)
@example({"event": COMMON | {"id": ID + "\n"}}, {})
@example({"event": COMMON | {"event_type": "a\n"}}, {})
@example({"event": COMMON | {"version": 1.0}}, {})
@example({"event": COMMON | {"aggregate_id": ""}}, {})
@example({"event": COMMON, "partition_key": ""}, {})
def test_a_message(value, form):
    body = written(value, form)
    assert outcome(PARSER.send, body) == outcome(PARSER.send_closely, body)


@given(BATCHES, FORMS)
def test_a_batch(value, form):
    body = written(value, form)
    assert outcome(PARSER.batch, body) == outcome(PARSER.batch_closely, body)


@given(st.lists(st.one_of(events(), MESSAGES), min_size=1, max_size=4))
def test_lines_are_read_as_messages_of_one(values):
    lines = [written(value, {}) for value in values]
    one_by_one = [
        outcome(PARSER.send_closely, line if "event" in value else b'{"event":' + line + b"}")
        for value, line in zip(values, lines, strict=True)
    ]
    for read, alone in zip(outcome(PARSER.lines, b"\n".join(lines)), one_by_one, strict=True):
        if not isinstance(alone, tuple):  # what is refused is told by other names of fields
            assert [read] == alone
        else:
            assert isinstance(read, tuple)


@pytest.mark.parametrize(
    "text",
    [
        '{"event":%s,"event":{}}',
        '{"event":{},"event":%s}',
        '{"event":%s}x',
        '{"event":%s,}',
        '{"\\u0065vent":%s}',
        '\ufeff{"event":%s}',
        "[%s]",
        "%s",
    ],
)
def test_odd_documents(text):
    body = (text % json.dumps(COMMON)).encode()
    assert outcome(PARSER.send, body) == outcome(PARSER.send_closely, body)


@pytest.mark.parametrize(
    "data", [b'"\xff"', b"1" * 5000, b"[" * 150 + b"]" * 150, b"[" * 250 + b"]" * 250, b'"' + b"x" * 9000 + b'"']
)
def test_bytes_that_are_no_text_numbers_without_end_and_depth(data):
    body = b'{"event":{"event_type":"a","payload":{"type":"Generic","data":' + data + b"}}}"
    assert outcome(PARSER.send, body) == outcome(PARSER.send_closely, body)
    batch = b'{"messages":[' + body + b"]}"
    assert outcome(PARSER.batch, batch) == outcome(PARSER.batch_closely, batch)


def test_common_ones_are_taken_at_a_glance():
    full = COMMON | {"id": ID, "timestamp": "2026-11-30T12:00:00Z", "aggregate_id": "a", "version": 7, "metadata": {}}
    for event in (COMMON, full):
        for body in (json.dumps({"event": event, "partition_key": "k"}), json.dumps({"event": event}, indent=2)):
            assert glance.message_in(body.encode(), ENCODER) is not None
        assert glance.line_in(json.dumps(event).encode(), ENCODER) is not None
    assert glance.items_in(json.dumps({"events": [COMMON, {"no": "event"}]}).encode()) is not None
