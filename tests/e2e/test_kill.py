"""SIGKILL at random moments under load: everything acknowledged over HTTP is there again (rounds: KILL_ROUNDS)."""

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid

import pytest
from gateways import serving
from samples import generic

ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
SEED = random.randrange(1 << 30)


def post(url: str, events: list[dict]) -> list[dict]:
    body = json.dumps({"messages": [{"event": event, "partition_id": n % 3} for n, event in enumerate(events)]})
    request = urllib.request.Request(f"{url}/messages/batch", body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def read(url: str) -> dict[tuple[int, int], str]:
    found = {}
    for partition in range(3):
        offset = 0
        while True:
            path = f"/messages?partition_id={partition}&offset={offset}&count=10000&max_bytes=8000000"
            with urllib.request.urlopen(url + path, timeout=30) as answer:
                page = json.load(answer)
            found |= {(partition, message["offset"]): message["id"] for message in page["messages"]}
            offset = page["next_offset"]
            if offset >= page["high_watermark"]:
                break
    return found


def indexed(url: str) -> list[str]:
    """The ids that `/events` tells, page by page, once it has read all of the log."""
    found: list[str] = []
    path = "/events?limit=1000"
    while path:
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            assert answer.headers["X-Index-Lag"] is None
            found += [event["id"] for event in json.load(answer)]
            path = (answer.headers["Link"] or "").partition("<")[2].partition(">")[0]
    return found


def writer(url: str, acknowledged: dict[str, tuple[int, int]], unanswered: list[list[dict]]) -> None:
    while True:
        events = [generic(n, id=str(uuid.uuid4())) for n in range(random.choice([1, 3, 20]))]
        try:
            for item in post(url, events):
                acknowledged[item["event_id"]] = (item["partition"], item["offset"])
        except (OSError, ValueError, urllib.error.HTTPError):
            unanswered.append(events)
            return


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """What is killed is the gateway; the server of the database goes on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/views.db"
    return request.getfixturevalue("own_postgres").new_database()


def test_what_was_acknowledged_survives_sigkill(tmp_path, database):
    random.seed(SEED)
    acknowledged: dict[str, tuple[int, int]] = {}
    for number in range(1, ROUNDS + 1):
        unanswered: list[list[dict]] = []
        with serving(tmp_path, POLL_MAX_COUNT="10000", DATABASE_URL=database) as (url, process):
            threads = [threading.Thread(target=writer, args=(url, acknowledged, unanswered)) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(random.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            for thread in threads:
                thread.join(30)
        patient = {"POLL_MAX_COUNT": "10000", "DATABASE_URL": database, "EVENT_INDEX_WAIT_MS": "25000"}
        with serving(tmp_path, **patient) as (url, _):
            for events in unanswered:  # what a client does that saw no answer: the same again
                for item in post(url, events):
                    acknowledged[item["event_id"]] = (item["partition"], item["offset"])
            found = read(url)
            index = indexed(url)
        lost = [event_id for event_id, place in acknowledged.items() if found.get(place) != event_id]
        assert lost == [], f"seed {SEED}"
        assert len(found) == len(set(found.values())) == len(acknowledged), f"seed {SEED}"
        assert len(index) == len(acknowledged), f"seed {SEED}"
        assert set(index) == set(acknowledged), f"seed {SEED}"
        print(f"kill {number}: {len(acknowledged)} acknowledged so far, {len(unanswered)} requests cut off, 0 lost")
