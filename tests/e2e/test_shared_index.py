"""Gateways and workers with one index in PostgreSQL: any of them tells at once what any other took; each event once."""

import contextlib
import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import pytest
from gateways import serving
from samples import generic

pytestmark = pytest.mark.kafka
SECONDS = 60


@pytest.fixture
def settings(kafka, postgres):
    stream, database = f"s{uuid.uuid4().hex[:12]}", postgres.new_database()
    return {"BROKER_URL": f"kafka://{kafka}", "DEFAULT_STREAM": stream, "DATABASE_URL": database}


def post(url: str) -> str:
    event_id = str(uuid.uuid4())
    body = json.dumps({"event": generic(1, id=event_id)}).encode()
    request = urllib.request.Request(f"{url}/messages", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
    return event_id


def index(url: str) -> list[str] | None:
    """The ids of all events; None while it is behind."""
    with urllib.request.urlopen(f"{url}/events?limit=1000", timeout=30) as answer:
        ids = [event["id"] for event in json.load(answer)]
        return ids if answer.headers["X-Index-Lag"] is None else None


def there(url: str, event_id: str) -> bool:
    """Whether the very next read has it."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/events/{event_id}", timeout=30).close()
        return True
    return False


def until(ask: Callable[[], object]) -> object:
    end = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError):  # a worker that is killed takes its connections along
            if answer := ask():
                return answer
        assert time.monotonic() < end
        time.sleep(0.1)


def holder(postgres, settings) -> int:
    """The process that follows the log."""
    database = settings["DATABASE_URL"].rpartition("/")[2]
    return int(postgres.sql("SELECT holder FROM event_index_lease", database).split()[1])


@contextlib.contextmanager
def pair(folder, settings) -> Iterator[dict[str, int]]:
    for name in ("one", "two"):
        (folder / name).mkdir()
    with serving(folder / "one", **settings) as (one, first), serving(folder / "two", **settings) as (two, second):
        yield {one: first.pid, two: second.pid}


def test_what_one_gateway_took_the_other_tells_at_once_and_goes_on_when_it_is_killed(tmp_path, settings, postgres):
    sent: list[str] = []
    with pair(tmp_path, settings) as pids:
        urls = list(pids)
        for _ in range(30):
            random.shuffle(urls)
            sent.append(post(urls[0]))
            assert there(urls[1], sent[-1])
        leader = holder(postgres, settings)
        assert leader in pids.values()
        os.kill(leader, signal.SIGKILL)
        other = next(url for url, pid in pids.items() if pid != leader)
        sent += [post(other) for _ in range(10)]
        ids = until(lambda: index(other))
        assert sorted(ids) == sorted(sent)
        assert holder(postgres, settings) == pids[other]
    (tmp_path / "three").mkdir()
    with serving(tmp_path / "three", **settings) as (url, _):
        assert sorted(until(lambda: index(url))) == sorted(sent)


def test_workers_share_it_and_one_that_is_killed_is_followed_by_another(tmp_path, settings, postgres):
    with serving(tmp_path, WORKERS="3", **settings) as (url, _):
        sent = [until(lambda: post(url)) for _ in range(10)]
        for _ in range(3):
            for _ in range(20):  # each request on a connection of its own, so with a worker of its own
                sent.append(post(url))
                assert there(url, sent[-1])
            leader = holder(postgres, settings)
            os.kill(leader, signal.SIGKILL)
            until(lambda gone=leader: holder(postgres, settings) != gone)
            ids = until(lambda: index(url))
            assert sorted(ids) == sorted(sent)
