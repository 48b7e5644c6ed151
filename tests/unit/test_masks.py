"""Frames of a client are masked, or refused (RFC 6455, 5.1), whatever pieces they come in."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.api.wire.masks import REFUSED, Masks


def frame(payload: bytes, *, masked: bool = True) -> bytes:
    """A text frame whose mask changes nothing."""
    size = len(payload)
    more = b"" if size < 126 else size.to_bytes(2) if size < 65_536 else size.to_bytes(8)
    first = size if size < 126 else 126 if size < 65_536 else 127
    return bytes([0x81, first | (0x80 if masked else 0)]) + more + (bytes(4) if masked else b"") + payload


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 4096, 65_535, 65_536])
CUTS = st.lists(st.integers(0, 1 << 18), max_size=20)


@given(st.lists(SIZES, max_size=5), CUTS)
def test_masked_frames_pass_as_they_are(sizes, cuts):
    data = b"".join(frame(b"x" * size) for size in sizes)
    masks = Masks()
    assert b"".join(masks.of(piece) for piece in in_pieces(data, cuts)) == data


@given(st.lists(SIZES, max_size=3), SIZES, CUTS)
def test_nothing_is_read_of_a_frame_that_is_not_masked_and_of_what_follows(sizes, size, cuts):
    good = b"".join(frame(b"x" * size) for size in sizes)
    data = good + frame(b"y" * size, masked=False) + frame(b"z")
    masks = Masks()
    assert b"".join(masks.of(piece) for piece in in_pieces(data, cuts)) == good + REFUSED
