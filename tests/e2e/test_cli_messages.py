"""`sluice send` and `sluice poll`: what goes in comes out, to the digit, once, whatever happens to the gateway."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
import time
import uuid

import pytest
from click.testing import CliRunner
from commands import SECONDS, gateway, lines, send_number, sluice_on, sluice_process, told
from gateways import free_port
from samples import generic, with_id

from app.cli import cli


def test_what_is_sent_is_polled(sluice):
    events = [with_id(n) for n in range(7)]
    sent = sluice("send", "--batch", "3", given=lines(events))
    assert sent.stdout == "7 sent\n"
    messages = told(sluice("poll"))
    assert sorted(message["event"]["payload"]["data"] for message in messages) == list(range(7))
    assert {(message["partition_id"], message["offset"]) for message in messages} >= {(messages[0]["partition_id"], 0)}
    assert "7 of them there already" in sluice("send", given=lines(events)).stdout
    assert len(told(sluice("poll"))) == 7


def test_digits_and_escapes_come_back_as_they_were_written(sluice):
    data = '{"n":1.10,"big":123456789012345678901234567890.0,"e":1E3,"s":"\\u00e9\\n"}'
    event = f'{{"event_type":"t","payload":{{"type":"Generic","data":{data}}}}}'
    assert sluice("send", given=event).exit_code == 0
    assert data in sluice("poll").stdout


def test_events_without_an_id_get_one_and_others_keep_theirs(sluice):
    mine = str(uuid.uuid4())
    given = [generic(1), generic(2, id=None), generic(3, id=mine), generic(4, event_id=str(uuid.uuid4()))]
    results = told(sluice("send", "--json", given=lines(given)))
    assert [result["success"] for result in results] == [True] * 4
    assert len({result["event_id"] for result in results}) == 4
    assert results[2]["event_id"] == mine
    assert results[3]["event_id"] == given[3]["event_id"]


@pytest.mark.parametrize("shape", ["array", "pretty", "pretty array", "several", "messages", "blank lines"])
def test_the_shapes_that_events_may_come_in(sluice, tmp_path, shape):
    events = [with_id(n) for n in range(3)]
    file = tmp_path / "events.json"
    file.write_text(
        {
            "array": json.dumps(events),
            "pretty": "\n".join(json.dumps(event, indent=2) for event in events),
            "pretty array": json.dumps(events, indent=2),
            "several": "".join(json.dumps(event) + "\n\n" for event in events),
            "messages": lines([{"event": event, "partition_id": 1} for event in events]),
            "blank lines": "\n\r\n" + lines(events),
        }[shape]
    )
    assert sluice("send", str(file)).stdout == "3 sent\n"
    messages = told(sluice("poll"))
    assert sorted(message["id"] for message in messages) == sorted(event["id"] for event in events)
    if shape == "messages":
        assert {message["partition_id"] for message in messages} == {1}


def test_a_key_is_for_those_without_one_of_their_own(sluice, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(lines([with_id(n) for n in range(3)]))
    two.write_text(lines([{"event": with_id(3), "partition_key": "mine"}]))
    assert sluice("send", str(one), str(two), "--key", 'k"é').exit_code == 0
    assert sorted(message["key"] for message in told(sluice("poll"))) == ['k"é'] * 3 + ["mine"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lines([generic(1)]) + "{\n", "-:2 is not JSON"),
        ("{\n", "-:1 is not JSON"),
        ("[1]\n", "-:1[0] must be a JSON object"),
        (lines([generic(1)]) + '\n"x"\n', "-:3 must be a JSON object"),
        ("[NaN]", "-:1 is not JSON"),
        (b'{"event_type": "\xff"}', "not UTF-8"),
        (lines([generic(1), {"payload": {}}]), "-:2 event.event_type: is missing"),
        (json.dumps([generic(1), {"payload": {}}], indent=1), "-:1[1] event.event_type: is missing"),
    ],
)
def test_what_can_not_be_sent_is_told_with_its_line(sluice, given, said):
    result = sluice("send", "-", given=given)
    assert result.exit_code == 65
    assert said in result.stderr
    assert result.stdout == "0 sent\n"
    assert told(sluice("poll")) == []


def test_what_was_sent_before_a_mistake_is_told(sluice):
    result = sluice("send", "--batch", "2", given=lines([generic(n) for n in range(5)]) + "{\n")
    assert result.exit_code == 65
    assert result.stdout == "4 sent\n"


@pytest.mark.parametrize("arguments", [("send", "nowhere.json"), ("poll", "--offset", "-1"), ("poll", "--commit")])
def test_wrong_usage(sluice, arguments):
    assert sluice(*arguments).exit_code == 2


@pytest.mark.parametrize("verb", ["send", "poll"])
def test_a_topic_that_is_not_there(url, verb):
    assert sluice_on(url, "no.where", verb, given=lines([generic(1)])).exit_code == 66
    assert sluice_on(url, "nowhere", verb, given="").exit_code == 2


def test_where_to_begin_and_where_to_end(sluice):
    events = [{"event": with_id(n), "partition_id": n % 2} for n in range(10)]
    sluice("send", given=lines(events))

    def data(*arguments: str) -> list[int]:
        return [message["event"]["payload"]["data"] for message in told(sluice("poll", *arguments))]

    assert data() == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert data("--partition", "1", "--offset", "3") == [7, 9]
    assert data("--partition", "1", "--partition", "0", "--count", "6") == [1, 3, 5, 7, 9, 0]
    assert data("--offset", "latest") == []
    assert data("--offset", "earliest", "--count", "1") == [0]
    assert sluice("poll", "--partition", "3").exit_code == 66


def test_a_consumer_goes_on_where_it_was(sluice):
    sluice("send", given=lines([{"event": with_id(n), "partition_id": 0} for n in range(4)]))
    consumer = ("poll", "--consumer-id", "c", "--partition", "0")
    assert len(told(sluice(*consumer, "--count", "3", "--commit"))) == 3
    assert [message["offset"] for message in told(sluice(*consumer))] == [3]
    assert len(told(sluice(*consumer, "--offset", "0"))) == 4
    assert len(told(sluice(*consumer, "--commit"))) == 1
    assert told(sluice(*consumer)) == []


def test_events_of_one_topic_onto_another(sluice, url):
    event = with_id({"n": 1})
    sluice("send", given=lines([event]))
    polled = sluice("poll", "--events")
    assert told(polled) == [event | {"timestamp": told(polled)[0]["timestamp"]}]
    onto = CliRunner().invoke(cli, ["send", "--url", url], input=polled.stdout)
    assert onto.stdout == "1 sent\n"
    found = CliRunner().invoke(cli, ["poll", "--url", url])
    assert event["id"] in [message["id"] for message in told(found)]


def test_a_gateway_that_is_killed_under_it_gets_each_event_once(tmp_path):
    events, port, kills = 30_000, free_port(), 3
    file = tmp_path / "events.ndjson"
    file.write_text(lines([generic(n) for n in range(events)]))
    with sluice_process("send", str(file), "--batch", "100", port=port) as sending:
        for _ in range(kills):
            with gateway(tmp_path, port):
                time.sleep(0.5)
        with gateway(tmp_path, port):
            told = sending.communicate(timeout=SECONDS)[0].decode()
            assert sending.returncode == 0
            assert told.startswith(f"{events:,} sent")
            polled = sluice_process("poll", "--events", port=port)
            found = [json.loads(line) for line in polled.communicate(timeout=SECONDS)[0].splitlines()]
    assert sorted(event["payload"]["data"] for event in found) == list(range(events))


def test_what_comes_is_followed_past_a_restart_until_it_is_interrupted(tmp_path):
    port = free_port()
    with contextlib.ExitStack() as stack:
        with gateway(tmp_path, port):
            following = stack.enter_context(sluice_process("poll", "--follow", port=port))
            stack.callback(following.kill)
            watchdog = threading.Timer(SECONDS, following.kill)
            stack.callback(watchdog.cancel)
            watchdog.start()
            seen = [_sent_and_seen(port, n, following) for n in range(5)]
        with gateway(tmp_path, port):
            seen += [_sent_and_seen(port, n, following) for n in range(5, 10)]
            following.send_signal(signal.SIGINT)
            assert following.wait(SECONDS) == 130
            assert following.stdout.read() == b""
    assert seen == list(range(10))


def _sent_and_seen(port: int, number: int, following: subprocess.Popen) -> int:
    send_number(port, number)
    return json.loads(following.stdout.readline())["event"]["payload"]["data"]


def test_a_terminal_is_shown_how_far_it_is_and_a_file_is_not(tmp_path, url):
    file = tmp_path / "events.ndjson"
    file.write_text(lines([generic(n) for n in range(2000)]))
    port = int(url.rpartition(":")[2])
    for arguments in ([str(file)], []):
        ours, theirs = pty.openpty()
        with file.open("rb") as given:
            sending = sluice_process("send", *arguments, port=port, stdin=given, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # its end is closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
        assert sending.communicate(timeout=SECONDS)[0] == b"2,000 sent\n"
        assert b"100%" in shown
        assert b"2,000 sent" in shown
    quiet = sluice_process("send", str(file), port=port, stderr=subprocess.PIPE)
    assert quiet.communicate(timeout=SECONDS) == (b"2,000 sent\n", b"")
