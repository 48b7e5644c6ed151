"""Stored values are skimmed, not parsed; the skim must agree with the parser that events pass on their way in."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.api.parsing.strict import Head, head_of, heads_of, strict_json
from app.errors import BadRequest

TOKENS = [
    *(bytes([byte]) for byte in b"{}[],:\"0159-+.eE \n\t\r\x00\x1f\x7f\x80\xff'\\/ufx"),
    *(b"null", b"true", b"NaN", b"Infinity", b'"id"', b'"id":', b'"\\u0069d":', b'"a":1', b'"x"', b"1e400", b"1" * 25),
    *(
        b"\\u0041",
        b"\\ud83d\\ude00",
        b"\\ud800",
        b"\\udc00",
        b"\\n",
        b'\\"',
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("id"), inner, max_size=4),
)
soup = st.lists(st.sampled_from(TOKENS), max_size=14).map(b"".join)


@st.composite
def almost_json(draw: st.DrawFn) -> bytes:
    """A document with a few of its bytes replaced."""
    text = bytearray(
        json.dumps({"id": draw(JSON), "a": draw(JSON)}, ensure_ascii=draw(st.booleans())).encode(
            "utf-8", "surrogatepass"
        )
    )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 2))] = draw(st.sampled_from(TOKENS))
    return bytes(text)


def parsed_head(value: bytes) -> Head | None:
    try:
        parsed = strict_json(value)
    except BadRequest:
        return None
    return Head(parsed.get("id")) if isinstance(parsed, dict) else None


def check(value: bytes) -> None:
    """Both take the value or both refuse it, and both find the same id, if it is a text."""
    skimmed, parsed = head_of(value), parsed_head(value)
    assert (skimmed is None) == (parsed is None)
    if skimmed and parsed and (isinstance(skimmed.id, str) or isinstance(parsed.id, str)):
        assert skimmed.id == parsed.id


@settings(max_examples=1000, deadline=None)
@given(almost_json())
def test_near_json_is_taken_and_refused_alike(value: bytes):
    check(value)
    check(value.replace(b"}", b',"padding":"' + b"x" * 500 + b'"}'))


@settings(max_examples=1000, deadline=None)
@given(soup)
@example(b"")
@example(b"[]")
@example(b"{}")
def test_soup_is_taken_and_refused_alike(inside: bytes):
    check(b"{" + inside + b"}")
    check(inside)


PIECES = [
    *(b"{}", b'{"id":"x"}', b'{"a":{}', b'"b":2}', b"{}}", b"{}{}", b"{} {}", b'{"a":[{}', b'{"a":[{},{}', b"{}]}"),
    *(b"", b' {"id":"y"} ', b'{"id":\n"z"}', b'{"id":"\xff"}', b'{"id":"\xc3\xa9"}', b"[{}]", b"1", b'{"a":"{'),
    *(b'}"}', b"{}x{}"),
]


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | almost_json() | soup.map(lambda inside: b"{" + inside + b"}"), min_size=1))
@example([b"{}{}", b""])
@example([b'{"a":[{}', b"{}]}", b"{},{}"])
@example([b"{}{}", b'{"a":{}', b"{}}"])
def test_many_at_once_are_each_what_they_are_alone(values: list[bytes]):
    heads = heads_of(values)
    assert heads is None or heads == [head_of(value) for value in values]


def test_what_we_write_is_read_at_once():
    values = [b'{"id":"%d","a":"%b"}' % (n, "é".encode() * n) for n in range(1000)]
    assert [head.id for head in heads_of(values) or ()] == [str(n) for n in range(1000)]


@pytest.mark.parametrize("padding", [0, 100, 500, 5000])
@pytest.mark.parametrize("levels", [1, 98, 99, 100, 150, 190, 198, 199, 200, 201, 202, 250, 1500])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_refused_alike(opening: bytes, closing: bytes, levels: int, padding: int):
    inner = opening * levels + b"1" + closing * levels
    check(b'{"id":"x","p":"' + b"x" * padding + b'","a":' + inner + b"}")


@pytest.mark.parametrize("digits", [10, 350, 399, 3990, 4200, 4299, 4300, 4301, 9000])
def test_long_numbers_are_refused_alike(digits: int):
    check(b'{"id":"x","n":' + b"7" * digits + b"}")
    check(b'{"id":"x","n":-0.' + b"7" * digits + b"}")
    check(b'{"id":' + b"7" * digits + b"}")
