"""Bare floors: what the machine can do with nothing of ours in the way. Each prints one number a second."""

import asyncio
import sys
import time
from pathlib import Path

import apsw
import uvloop
from aiohttp import web


def apsw_group_commit(path: Path, *, group: int, value: bytes, seconds: float) -> float:
    """Records a second of a loop that inserts `group` rows a transaction (WAL, synchronous=FULL), and nothing else."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE record (tp INTEGER, off INTEGER, ts INTEGER, id BLOB, key BLOB, val BLOB, hdr BLOB, "
        "PRIMARY KEY (tp, off)) WITHOUT ROWID"
    )
    written = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        rows = ((0, written + n, 1_700_000_000_000, b"0" * 16, None, value, b"") for n in range(group))
        with connection:
            connection.executemany("INSERT INTO record VALUES (?,?,?,?,?,?,?)", rows)
        written += group
    rate = written / (time.perf_counter() - started)
    connection.close()
    return rate


async def bare_aiohttp() -> None:
    """An aiohttp server that reads the body and answers 201: what one handler costs without a gateway in it."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b'{"success":true}', status=201, content_type="application/json")

    app = web.Application()
    app.router.add_post("/messages", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bare_aiohttp())
