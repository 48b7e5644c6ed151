"""The command line against a gateway that runs: what it prints, what it answers scripts."""

import asyncio
import json
import socket
import urllib.request

import pytest
from click.testing import CliRunner, Result
from samples import generic

from app.cli import cli
from app.cli.output import table


@pytest.fixture
def sluice(url):
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--url", url])

    return run


@pytest.fixture
def get(url):
    def get(path: str):
        with urllib.request.urlopen(url + path, timeout=30) as answer:
            return json.load(answer)

    return get


def words(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


def test_streams(sluice, get):
    assert "my-stream made" in (sluice("streams", "create", "my-stream")).output
    head, *rows = words(sluice("streams", "list"))
    assert head == ["name", "topics_count", "messages_count", "size_bytes", "created_at"]
    assert [row[0] for row in rows] == ["my-stream", "sample-stream"]
    listed = sluice("streams", "list", "--json")
    assert json.loads(listed.output) == get("/streams")
    assert words(sluice("streams", "show", "my-stream"))[1][:2] == ["my-stream", "0"]
    assert (sluice("streams", "delete", "my-stream", "--yes")).exit_code == 0
    gone = sluice("streams", "show", "my-stream")
    assert gone.exit_code == 66
    assert "stream 'my-stream' does not exist (request " in gone.stderr
    assert gone.stdout == ""


def test_topics(sluice, get):
    made = sluice(
        *("topics", "create", "sample-stream", "t", "--partitions", "2", "--retention-ms", "1000"),
        *("--config", "segment.ms=500", "--cleanup-policy", "compact,delete"),
    )
    assert made.exit_code == 0, made.output
    topic = get("/streams/sample-stream/topics/t")
    assert topic["partitions_count"] == 2
    assert topic["configs"] == {"segment.ms": "500", "retention.ms": "1000", "cleanup.policy": "compact,delete"}
    assert [row[0] for row in words(sluice("topics", "list", "sample-stream"))] == ["name", "events", "t"]
    altered = sluice("topics", "alter", "sample-stream", "t", "--partitions", "3", "--json")
    assert json.loads(altered.output) == get("/streams/sample-stream/topics/t")
    shown = (sluice("topics", "show", "sample-stream", "t")).output
    assert "retention.ms=1000" in shown
    assert shown.splitlines()[-1].split() == ["2", "0", "0", "0", "0", "0"]
    assert (sluice("topics", "delete", "sample-stream", "t", "--yes")).exit_code == 0
    assert (sluice("topics", "show", "sample-stream", "t")).exit_code == 66


def test_offsets_and_consumers(sluice, get, url):
    body = json.dumps({"messages": [{"event": generic(n), "partition_id": 0} for n in range(5)]}).encode()
    urllib.request.urlopen(
        urllib.request.Request(f"{url}/messages/batch", body, {"Content-Type": "application/json"}), timeout=30
    ).close()
    get("/messages?count=2&consumer_id=c&auto_commit=true")
    topic = ("sample-stream", "events", "--consumer-id", "c")
    assert words(sluice("offsets", "show", *topic))[1] == ["0", "2", "3", "0", "5"]
    dry = words(sluice("offsets", "set", *topic, "--to", "latest", "--dry-run"))
    assert dry[1][:3] == ["0", "5", "0"]
    assert words(sluice("offsets", "show", *topic))[1][1] == "2"
    assert words(sluice("offsets", "set", *topic, "--partition", "0=4"))[1][1] == "4"
    assert ["http-c", "c", "Empty", "0", "1"] in words(sluice("consumers", "list"))
    shown = (sluice("consumers", "show", "http-c")).output
    assert ["sample-stream", "events", "0", "4", "5", "1"] in [line.split() for line in shown.splitlines()]
    found = sluice("consumers", "show", "http-c", "--json")
    assert json.loads(found.output) == get("/consumers/http-c")
    assert (sluice("offsets", "forget", *topic)).exit_code == 0
    assert words(sluice("offsets", "show", *topic))[1][1] == "-"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["streams", "create", "no good"], 65, "is not one of"),
        (["streams", "create", "sample-stream"], 65, "exists already"),
        (["streams", "show", "a/b?c#d%2F"], 66, "does not exist"),
        (["topics", "create", "sample-stream", "t", "--partitions", "0"], 65, "partitions"),
        (["topics", "create", "sample-stream", "t", "--partitions", "many"], 2, "is not a valid integer"),
        (["topics", "create", "sample-stream", "t", "--config", "x"], 2, "NAME=VALUE"),
        (["topics", "alter", "sample-stream", "events", "--partitions", "1"], 65, "fewer"),
        (["topics", "show", "sample-stream", "nothing"], 66, "does not exist"),
        (["offsets", "set", "sample-stream", "events"], 2, "either --to or --partition"),
        (["offsets", "set", "sample-stream", "events", "--partition", "x=1"], 2, "such as 0=42"),
        (["offsets", "set", "sample-stream", "events", "--to", "yesterday"], 65, "RFC 3339"),
        (["consumers", "show", "nobody"], 66, "does not exist"),
    ],
)
def test_what_is_refused(sluice, arguments, code, said):
    result = sluice(*arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_deleting_without_being_asked_needs_a_word(sluice, get):
    for arguments in (["streams", "delete", "sample-stream"], ["topics", "delete", "sample-stream", "events"]):
        result = sluice(*arguments)
        assert result.exit_code == 2
        assert "--yes" in result.stderr
    assert get("/streams/sample-stream/topics/events")["name"] == "events"


def test_without_a_gateway():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        result = CliRunner().invoke(cli, ["streams", "list", "--url", url, "--api-key", "s3cret"])
    assert result.exit_code == 69
    assert url in result.stderr
    assert "s3cret" not in result.output


@pytest.mark.parametrize("url", ["ftp://localhost", "localhost:8000", "http://"])
def test_urls_that_can_not_be_used(url):
    assert CliRunner().invoke(cli, ["streams", "list", "--url", url]).exit_code == 2


def test_the_key_goes_along_and_may_come_from_the_environment():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def answer() -> bytes:
            connection, _ = server.accept()
            with connection:
                head = connection.recv(4096)
                connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nX-Request-Id: r1\r\n\r\n")
            return head

        async def both() -> tuple[bytes, Result]:
            invoked = asyncio.to_thread(
                CliRunner().invoke, cli, ["streams", "list", "--url", url], env={"SLUICE_API_KEY": "k1"}
            )
            return await asyncio.gather(asyncio.to_thread(answer), invoked)

        head, result = asyncio.run(both())
    assert b"X-API-Key: k1" in head
    assert result.exit_code == 77
    assert "r1" in result.stderr


def test_a_table_has_its_numbers_to_the_right():
    rows = [{"name": "a", "n": 1, "at": None}, {"name": "bcd", "n": 1000, "at": "x"}]
    assert table(rows, "name", "n", "at").splitlines() == ["name     n  at", "a        1  -", "bcd   1000  x"]
    assert table([], "name", "n") == "name  n"
