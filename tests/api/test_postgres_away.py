"""PostgreSQL dies under the index of events, and comes back: reads say so meanwhile, and each event is there once."""

import asyncio
import random

from clients import running
from postgres_server import PASSWORD

SECONDS = 60
ROUNDS = 4


async def until(ask):
    """The first answer that is not None; the machine may be slow."""
    async with asyncio.timeout(SECONDS):
        while (answer := await ask()) is None:
            await asyncio.sleep(0.05)
    return answer


async def listed(client) -> list[str] | None:
    """The ids of all events, page by page; None while they can't be told, or not all of them."""
    ids: list[str] = []
    path = "/events?limit=1000"
    while path:
        answer = await client.get(path)
        if answer.status != 200 or "X-Index-Lag" in answer.headers:
            return None
        ids += [event["id"] for event in answer.body]
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    return ids


async def send(client, sent: list[str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        posted = await client.post("/events", {"event_type": "t", "payload": {}})
        assert posted.status == 201  # the log is what counts
        sent.append(posted.body["id"])
        await asyncio.sleep(0.02)


async def test_reads_are_refused_while_it_is_away_and_all_is_there_when_it_is_back(own_postgres):
    async with running(DATABASE_URL=own_postgres.new_database()) as client:
        sent: list[str] = []
        stop = asyncio.Event()

        async def refused():
            found = await client.get("/events")
            return found if found.status == 503 else None

        sending = asyncio.create_task(send(client, sent, stop))
        for number in range(ROUNDS):
            await asyncio.sleep(random.uniform(0.1, 0.5))
            await asyncio.to_thread(own_postgres.kill if number % 2 == 0 else own_postgres.stop)
            answer = await until(refused)
            assert answer.body["error"] == "connection_failed"
            assert "database" in answer.body["message"]
            assert "127.0.0.1" not in answer.body["message"]
            assert answer.headers["Retry-After"] == "1"
            assert (await client.get(f"/events/{sent[0]}")).status == 503
            assert (await client.get("/events/summary")).status == 503
            assert (await client.get("/health")).body["broker_connected"] is True
            last = sent[-1]  # more are sent meanwhile
            again = await client.post("/events", {"id": last, "event_type": "again", "payload": {}})
            assert (again.status, again.body["id"]) == (200, last)
            await asyncio.to_thread(own_postgres.start)
            so_far = set(sent)
            ids = await until(lambda: listed(client))
            assert len(ids) == len(set(ids))
            assert so_far <= set(ids)
        stop.set()
        await sending
        assert sorted(await until(lambda: listed(client))) == sorted(sent)


async def test_one_that_refuses_is_told_of_once_and_seen_by_its_lag(own_postgres, capsys):
    url = own_postgres.new_database()
    name = url.rpartition("/")[2]
    own_postgres.sql(f"CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}'")
    async with running(DATABASE_URL=url.replace("//postgres:", "//poor:")) as client:
        posted = await client.post("/events", {"event_type": "t", "payload": {}})
        assert posted.status == 201
        for _ in range(3):
            assert (await client.get("/events")).status == 503
            await asyncio.sleep(1)
        assert b"sluice_index_lag 1.0" in (await client.get("/metrics")).body
        logged = capsys.readouterr().out
        assert logged.count("permission denied for schema public") == 1
        assert "Traceback" not in logged
        own_postgres.sql("GRANT CREATE ON SCHEMA public TO poor", name)
        assert await until(lambda: listed(client)) == [posted.body["id"]]


async def test_one_that_hangs_keeps_nobody_longer_than_the_deadline_and_not_the_gateway_from_stopping(own_postgres):
    async with running(DATABASE_URL=own_postgres.new_database()) as client:
        posted = await client.post("/events", {"event_type": "t", "payload": {}})
        assert (await client.get(posted.headers["Location"])).status == 200
        own_postgres.freeze()
        try:
            hanging = [client.get("/events", headers={"X-Request-Timeout": "1000"}) for _ in range(8)]
            assert {answer.status for answer in await asyncio.gather(*hanging)} == {504}
            assert (await client.post("/events", {"event_type": "t", "payload": {}})).status == 201
        finally:
            own_postgres.thaw()
        assert len(await until(lambda: listed(client))) == 2
        own_postgres.freeze()
        assert (await client.get("/events", headers={"X-Request-Timeout": "1000"})).status == 504
        began = asyncio.get_running_loop().time()
    own_postgres.thaw()
    assert asyncio.get_running_loop().time() - began < SECONDS


async def test_a_gateway_starts_without_it_and_follows_once_it_is_there(own_postgres):
    url = own_postgres.new_database()
    own_postgres.stop()
    async with running(DATABASE_URL=url) as client:
        posted = await client.post("/events", {"event_type": "t", "payload": {}})
        assert (await client.get("/events")).status == 503
        await asyncio.to_thread(own_postgres.start)

        async def found():
            answer = await client.get("/events")
            return answer.body if answer.status == 200 and answer.body else None

        assert [event["id"] for event in await until(found)] == [posted.body["id"]]
