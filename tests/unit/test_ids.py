"""New ids are UUIDv4 in their text form, whatever the random bytes are."""

import uuid

import pytest

from app.ids import UuidSource


@pytest.mark.parametrize("byte", [b"\x00", b"\xff", b"\xa5"])
def test_version_and_variant_are_set_in_any_random_bytes(byte):
    made = UuidSource(random=lambda size: byte * size)()
    assert str(uuid.UUID(made)) == made
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (4, uuid.RFC_4122)


def test_ids_do_not_repeat_from_one_draw_to_the_next():
    new_id = UuidSource()
    assert len({new_id() for _ in range(1000)}) == 1000
