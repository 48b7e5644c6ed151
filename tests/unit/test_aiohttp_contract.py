"""The private parts of aiohttp by which bodies are read are still there and as they were: an upgrade fails here."""

# ruff: noqa: SLF001  # private parts are the subject

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol


@pytest.fixture
async def protocol():
    return BaseProtocol(asyncio.get_running_loop(), Mock())


async def test_what_came_of_a_body_lies_in_pieces(protocol):
    content = StreamReader(protocol, 10, loop=asyncio.get_running_loop())
    content.feed_data(b"some")
    content.feed_eof()
    assert list(content._buffer) == [b"some"]
    assert protocol._reading_paused is False


async def test_reading_is_paused_where_much_waits(protocol):
    content = StreamReader(protocol, 10, loop=asyncio.get_running_loop())
    content.feed_data(b"x" * 21)
    assert protocol._reading_paused is True
    content.read_nowait()
    assert protocol._reading_paused is False
