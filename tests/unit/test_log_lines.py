"""Log lines go out together once a round of the event loop, and at once when they matter or no loop runs."""

import asyncio
import io
import threading

from app.telemetry.lines import Lines


def test_lines_are_written_at_once_where_no_loop_runs():
    file = io.BytesIO()
    Lines(file).info(b"one")
    assert file.getvalue() == b"one\n"


async def test_the_lines_of_a_round_are_written_at_its_end_in_order():
    file = io.BytesIO()
    lines = Lines(file)
    lines.info(b"one")
    lines.debug(b"two")
    assert file.getvalue() == b""
    await asyncio.sleep(0)
    assert file.getvalue() == b"one\ntwo\n"
    lines.info(b"three")
    await asyncio.sleep(0)
    assert file.getvalue() == b"one\ntwo\nthree\n"


async def test_a_warning_takes_along_what_waits():
    file = io.BytesIO()
    lines = Lines(file)
    lines.info(b"one")
    lines.error(b"two")
    assert file.getvalue() == b"one\ntwo\n"
    await asyncio.sleep(0)
    assert file.getvalue() == b"one\ntwo\n"


async def test_no_line_of_any_thread_is_lost():
    file = io.BytesIO()
    lines = Lines(file)
    threads = [threading.Thread(target=lambda: [lines.info(b"x") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        lines.info(b"y")
        await asyncio.sleep(0)
    for thread in threads:
        thread.join()
    await asyncio.sleep(0)
    assert sorted(file.getvalue().split()) == [b"x"] * 2000 + [b"y"] * 500
