"""`sluice tail`: each message once and in order, on whatever line."""

import contextlib
import json
import random
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator

from click.testing import CliRunner
from commands import SECONDS, gateway, lines, send_number, sluice_on, sluice_process, told
from gateways import free_port
from samples import with_id

from app.cli import cli


@contextlib.contextmanager
def cutting(port: int, chance: random.Random) -> Iterator[tuple[int, list[int]]]:
    """A way to the gateway that breaks again and again: its port, and a list that grows with each time."""
    cuts: list[int] = []
    with contextlib.ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()
        stack.callback(stop.set)
        server.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    one, _ = server.accept()
                    with one, socket.create_connection(("127.0.0.1", port)) as other:
                        other.sendall(one.recv(65_536))
                        left = chance.randint(100, 6000)
                        while left > 0 and not stop.is_set():
                            if select.select([other], [], [], 0.1)[0]:
                                data = other.recv(left)
                                one.sendall(data)
                                left -= len(data) or left
                    cuts.append(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], cuts
        stop.set()
        thread.join(SECONDS)


def test_a_tail_on_a_line_that_breaks_tells_each_message_once_and_in_order(sluice, topic, url):
    total = 500
    with cutting(int(url.rpartition(":")[2]), random.Random(5)) as (port, cuts):
        arguments = ("tail", "--topic", topic, "--from", "earliest", "--count", str(total))
        with sluice_process(*arguments, port=port) as tailing:
            for first in range(0, total, 20):
                messages = [{"event": with_id(n), "partition_id": n % 3} for n in range(first, first + 20)]
                assert sluice("send", given=lines(messages)).exit_code == 0
            told = [json.loads(line) for line in tailing.communicate(timeout=SECONDS)[0].splitlines()]
            assert tailing.returncode == 0
    assert len(cuts) > 10
    for partition in range(3):
        mine = [message["event"]["payload"]["data"] for message in told if message["partition_id"] == partition]
        assert mine == list(range(partition, total, 3))


def test_a_tail_goes_on_when_the_gateway_was_away(tmp_path):
    port = free_port()
    with contextlib.ExitStack() as stack:
        with gateway(tmp_path, port):
            arguments = ("tail", "--topic", "sample-stream.events", "--from", "earliest", "--events")
            tailing = stack.enter_context(sluice_process(*arguments, port=port))
            stack.callback(tailing.kill)
            watchdog = threading.Timer(SECONDS, tailing.kill)
            stack.callback(watchdog.cancel)
            watchdog.start()
            send_number(port, 1)
            assert json.loads(tailing.stdout.readline())["payload"]["data"] == 1
        with gateway(tmp_path, port):
            send_number(port, 2)
            assert json.loads(tailing.stdout.readline())["payload"]["data"] == 2
            tailing.send_signal(signal.SIGINT)
            assert tailing.wait(SECONDS) == 130
            assert tailing.stdout.read() == b""


def lag(polled) -> int:
    """How many messages the consumer has still to read."""
    return len(told(polled))


def test_a_consumer_goes_on_where_it_was(url, sluice):
    sluice("send", given=lines([{"event": with_id(n), "partition_id": 0} for n in range(9)]))
    for offsets in ([0, 1], [2, 3, 4], [5]):
        found = told(sluice("tail", "--consumer-id", "c", "--count", str(len(offsets))))
        assert [message["offset"] for message in found] == offsets
    assert sluice("tail", "--consumer-id", "c c").exit_code == 65
    assert sluice_on(url, "no.where", "tail", "--consumer-id", "c").exit_code == 66


def test_two_share_what_comes_for_one_consumer(url, topic, sluice):
    total, port = 90, int(url.rpartition(":")[2])
    arguments = ("tail", "--topic", topic, "--consumer-id", "shared", "--patience", "5")
    with contextlib.ExitStack() as stack:
        # Few enough for what they print to wait in its pipe.
        both = [stack.enter_context(sluice_process(*arguments, port=port)) for _ in range(2)]
        for tailing in both:
            stack.callback(tailing.kill)
        events = [{"event": with_id(n), "partition_id": n % 3} for n in range(total)]
        assert sluice("send", given=lines(events)).exit_code == 0
        until = time.monotonic() + SECONDS
        while lag(sluice_on(url, topic, "poll", "--consumer-id", "shared")) > 0:
            assert time.monotonic() < until
            time.sleep(0.2)
        for tailing in both:
            tailing.send_signal(signal.SIGINT)
        printed = [
            json.loads(line) for tailing in both for line in tailing.communicate(timeout=SECONDS)[0].splitlines()
        ]
    assert {message["event"]["payload"]["data"] for message in printed} == set(range(total))


def test_a_tail_of_one_type_and_partition_and_of_nothing(url, topic, sluice):
    events = [{"event": with_id(n) | {"event_type": f"type.{n % 2}"}, "partition_id": n % 3} for n in range(12)]
    sluice("send", given=lines(events))
    options = ("--from", "earliest", "--partition", "0", "--event-type", "type.0")
    found = told(sluice("tail", *options, "--count", "2"))
    assert [message["event"]["payload"]["data"] for message in found] == [0, 6]
    assert sluice("tail", "--partition", "7").exit_code == 66
    assert sluice("tail", "--from", "yesterday").exit_code == 65
    assert sluice_on(url, "no.where", "tail").exit_code == 66
    nobody = CliRunner().invoke(cli, ["tail", "--topic", topic, "--url", "http://127.0.0.1:1", "--patience", "0"])
    assert nobody.exit_code == 69
