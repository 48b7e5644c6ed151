"""What Kafka's own tools print is what we answer, and what they change we show."""

import asyncio
import re
import subprocess
import uuid

import kafka_server
import pytest
from samples import generic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

TOPICS = "org.apache.kafka.tools.TopicCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


@pytest.fixture
def tool(kafka):
    """Run one of Kafka's tools; what it printed."""
    try:
        java = kafka_server.java_command()
    except kafka_server.Unavailable as reason:
        pytest.skip(f"Kafka's own tools are not to be had: {reason}")

    def run(*arguments: str) -> str:
        command = [*java, "-XX:TieredStopAtLevel=1", *arguments, "--bootstrap-server", kafka]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return lambda *arguments: asyncio.to_thread(run, *arguments)


@pytest.fixture
async def client(start, kafka):
    async with start(BROKER_URL=f"kafka://{kafka}", DEFAULT_STREAM=f"s{uuid.uuid4().hex[:12]}") as client:
        yield client


def rows(printed: str) -> list[dict[str, str]]:
    """A table of ConsumerGroupCommand, a dictionary a line."""
    lines = [line.split() for line in printed.splitlines() if line.strip()]
    start = next(number for number, line in enumerate(lines) if line[0] == "GROUP")
    return [dict(zip(lines[start], line, strict=False)) for line in lines[start + 1 :]]


async def test_the_tools_print_what_we_answer(client, tool):
    stream = await client.stream()
    wanted = {"name": "t", "partitions": 3, "retention_ms": 3600000, "configs": {"segment.bytes": 2000000}}
    await client.post(f"/streams/{stream}/topics", wanted)
    path, full = f"/streams/{stream}/topics/t", f"{stream}.t"
    for partition, count in enumerate((3, 5, 0)):
        for n in range(count):
            await client.post(f"{path}/messages", {"event": generic(n), "partition_id": partition})
    group = f"g{uuid.uuid4().hex[:8]}"
    await client.poll(1, f"{path}/messages", count=2, consumer_id=group, auto_commit="true")
    ours = (await client.get(path)).body

    described, ends, starts, groups = await asyncio.gather(
        tool(TOPICS, "--describe", "--topic", full),
        tool(OFFSETS, "--topic", full, "--time", "latest"),
        tool(OFFSETS, "--topic", full, "--time", "earliest"),
        tool(GROUPS, "--describe", "--group", f"http-{group}", "--offsets"),
    )
    head, *lines = described.strip().splitlines()
    assert re.search(r"PartitionCount: (\d+)", head)[1] == str(ours["partitions_count"])
    theirs = dict(pair.split("=") for pair in re.search(r"Configs: (\S*)", head)[1].split(","))
    assert {name: theirs.get(name) for name in ours["configs"]} == ours["configs"]
    for line, partition in zip(lines, ours["partitions"], strict=True):
        said = dict(re.findall(r"(Partition|Leader|Replicas|Isr): (\S+)", line))
        assert said["Partition"] == str(partition["partition_id"])
        assert said["Leader"] == str(partition["leader"])
        assert said["Replicas"] == ",".join(map(str, partition["replicas"]))
        assert said["Isr"] == ",".join(map(str, partition["in_sync"]))
    for printed, member in ((ends, "high_watermark"), (starts, "log_start_offset")):
        assert sorted(printed.split()) == [f"{full}:{p['partition_id']}:{p[member]}" for p in ours["partitions"]]

    offsets = (await client.get(f"{path}/offsets?consumer_id={group}")).body["partitions"][1]
    [row] = rows(groups)
    assert (row["TOPIC"], row["PARTITION"]) == (full, "1")
    assert (row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"]) == (
        str(offsets["committed"]),
        str(offsets["high_watermark"]),
        str(offsets["lag"]),
    )


async def test_what_the_tools_change_we_show(client, tool):
    stream, group = f"s{uuid.uuid4().hex[:12]}", f"g{uuid.uuid4().hex[:8]}"
    path, full = f"/streams/{stream}/topics/made", f"{stream}.made"
    await tool(TOPICS, "--create", "--topic", full, "--partitions", "1", "--config", "retention.ms=1234567")
    ours = (await client.get(path)).body
    assert (ours["partitions_count"], ours["configs"], ours["created_at"]) == (1, {"retention.ms": "1234567"}, None)
    for n in range(4):
        assert (await client.post(f"{path}/messages", {"event": generic(n)})).status == 201
    await client.poll(0, f"{path}/messages", consumer_id=group, auto_commit="true")

    reset = ("--reset-offsets", "--to-offset", "1", "--execute", "--topic", f"{full}:0")
    await asyncio.gather(
        tool(TOPICS, "--alter", "--topic", full, "--partitions", "3"), tool(GROUPS, "--group", f"http-{group}", *reset)
    )
    assert (await client.get(path)).body["partitions_count"] == 3
    assert (await client.get(f"/consumers/http-{group}")).body["partitions"] == [
        {"stream": stream, "topic": "made", "partition_id": 0, "committed": 1, "high_watermark": 4, "lag": 3}
    ]
    page = (await client.poll(0, f"{path}/messages", consumer_id=group)).body
    assert [message["offset"] for message in page["messages"]] == [1, 2, 3]
    assert (await client.post(f"{path}/messages", {"event": generic(), "partition_id": 2})).status == 201

    await tool(GROUPS, "--delete", "--group", f"http-{group}")
    assert (await client.get(f"/consumers/http-{group}")).status == 404
    await tool(TOPICS, "--delete", "--topic", full)
    assert (await client.get(path)).status == 404
    assert (await client.get(f"/streams/{stream}")).status == 404
