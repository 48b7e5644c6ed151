"""Streams and topics: made, listed, shown, deleted (API 2 and 5)."""

import asyncio
import time
import uuid

import pytest
from samples import generic

from app.names import MAX_PARTITIONS
from app.topic import TopicSpec

BAD_NAMES = ["", "-a", "a-", "a--b", "a b", "ü", "a/b", "x" * 201, "_a", "a_"]


async def test_a_new_stream_is_told_and_a_second_one_refused(any_client):
    name = await any_client.stream()
    again = await any_client.post("/streams", {"name": name})
    assert (again.status, again.body["error"]) == (409, "already_exists")


async def test_a_stream_starts_empty(client):
    created = await client.post("/streams", {"name": "fresh-1"})
    assert created.status == 201
    assert created.body["created_at"].endswith("Z")
    assert created.body | {"created_at": None} == {
        "name": "fresh-1", "created_at": None, "topics_count": 0, "messages_count": 0, "size_bytes": 0,
    }  # fmt: skip


async def test_a_new_topic_can_be_used_at_once(any_client):
    stream = await any_client.stream()
    created = await any_client.post(
        f"/streams/{stream}/topics", {"name": "orders.v1", "partitions": 5, "retention_ms": 3600000}
    )
    assert created.status == 201
    assert created.body["name"] == "orders.v1"
    assert created.body["stream"] == stream
    assert created.body["partitions_count"] == 5
    assert created.body["messages_count"] == 0
    assert created.body["configs"]["retention.ms"] == "3600000"
    assert [p["partition_id"] for p in created.body["partitions"]] == [0, 1, 2, 3, 4]
    path = f"/streams/{stream}/topics/orders.v1/messages"
    assert (await any_client.post(path, {"event": generic(), "partition_id": 4})).status == 201
    assert (await any_client.poll(4, path)).body["count"] == 1


async def test_a_topic_gets_one_partition_and_the_default_retention(start):
    async with start(TOPIC_RETENTION_MS="1000") as client:
        stream = await client.stream()
        created = await client.post(f"/streams/{stream}/topics", {"name": "t"})
        assert created.body["partitions_count"] == 1
        assert created.body["configs"] == {"retention.ms": "1000"}


async def test_every_field_reaches_the_topic(any_client):
    stream = await any_client.stream()
    body = {
        "name": "t", "partitions": 2, "retention_ms": -1, "retention_bytes": 1000000,
        "cleanup_policy": "compact,delete", "replication_factor": 1,
        "configs": {"max.message.bytes": 5000, "segment.bytes": "1048576", "preallocate": False},
    }  # fmt: skip
    created = await any_client.post(f"/streams/{stream}/topics", body)
    assert created.status == 201, created.body
    wanted = {
        "retention.ms": "-1", "retention.bytes": "1000000", "cleanup.policy": "compact,delete",
        "max.message.bytes": "5000", "segment.bytes": "1048576", "preallocate": "false",
    }  # fmt: skip
    assert created.body["configs"] == created.body["configs"] | wanted


async def test_a_second_topic_of_the_name_and_one_too_like_it_are_refused(any_client):
    stream = await any_client.stream()
    assert (await any_client.post(f"/streams/{stream}/topics", {"name": "a.b"})).status == 201
    again = await any_client.post(f"/streams/{stream}/topics", {"name": "a.b"})
    assert (again.status, again.body["error"]) == (409, "already_exists")
    alike = await any_client.post(f"/streams/{stream}/topics", {"name": "a_b"})
    assert (alike.status, alike.body["error"]) == (409, "conflict")


async def test_of_racing_creations_one_wins(any_client):
    stream = await any_client.stream()
    streams = await asyncio.gather(*(any_client.post("/streams", {"name": f"{stream}r"}) for _ in range(5)))
    topics = await asyncio.gather(*(any_client.post(f"/streams/{stream}/topics", {"name": "t"}) for _ in range(5)))
    for answers in (streams, topics):
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]


async def test_a_topic_needs_its_stream(any_client):
    refused = await any_client.post("/streams/no-such-stream/topics", {"name": "t"})
    assert (refused.status, refused.body["error"]) == (404, "not_found")


async def test_the_stream_of_topics_without_one_takes_no_new_ones(client):
    assert (await client.post("/streams/-/topics", {"name": "t"})).status == 400
    assert (await client.post("/streams", {"name": "-"})).status == 400


@pytest.mark.parametrize("name", [*BAD_NAMES, "a.b", None, 5])
async def test_bad_stream_names_are_refused(client, name):
    refused = await client.post("/streams", {"name": name})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    assert refused.body["details"][0]["field"] == "name"


@pytest.mark.parametrize("name", [*BAD_NAMES, ".", "..", "a..b", ".a", "a._b"])
async def test_bad_topic_names_are_refused(client, name):
    refused = await client.post("/streams/sample-stream/topics", {"name": name})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")


async def test_stream_and_topic_together_fit_kafkas_limit(client):
    await client.post("/streams", {"name": "s" * 100})
    refused = await client.post(f"/streams/{'s' * 100}/topics", {"name": "t" * 149})
    assert refused.status == 400
    assert "249" in refused.body["message"]
    assert (await client.post(f"/streams/{'s' * 100}/topics", {"name": "t" * 148})).status == 201


@pytest.mark.parametrize(
    "fields",
    [
        {"partitions": 0}, {"partitions": -1}, {"partitions": MAX_PARTITIONS + 1}, {"partitions": "3"},
        {"partitions": 1.5}, {"partitions": True},
        {"retention_ms": -2}, {"retention_ms": "1"}, {"cleanup_policy": "burn"}, {"replication_factor": 0},
        {"replication_factor": 9}, {"configs": {"no.such": "1"}}, {"configs": {"retention.ms": "x"}}, {"configs": []},
        {"configs": {"retention.ms": None}}, {"retention_ms": 5, "configs": {"retention.ms": 6}}, {"colour": "blue"},
    ],
)  # fmt: skip
async def test_bad_fields_are_refused_and_create_nothing(any_client, fields):
    stream = await any_client.stream()
    refused = await any_client.post(f"/streams/{stream}/topics", {"name": "t"} | fields)
    assert (refused.status, refused.body["error"]) == (400, "validation_error"), refused.body
    assert (await any_client.get(f"/streams/{stream}/topics/t/messages")).status == 404


async def test_digits_are_names(client):
    assert (await client.post("/streams", {"name": "42"})).status == 201
    assert (await client.post("/streams/42/topics", {"name": "7"})).status == 201
    assert (await client.post("/streams/42/topics/7/messages", {"event": generic()})).status == 201


async def test_streams_are_listed_with_their_figures(any_client):
    stream = await any_client.stream()
    empty = await any_client.stream()
    await any_client.post(f"/streams/{stream}/topics", {"name": "a", "partitions": 2})
    await any_client.post(f"/streams/{stream}/topics", {"name": "b.c"})
    await any_client.post(f"/streams/{stream}/topics/b.c/messages", {"event": generic()})
    listed = {found["name"]: found for found in (await any_client.get("/streams")).body}
    assert (listed[stream]["topics_count"], listed[stream]["messages_count"]) == (2, 1)
    assert listed[stream]["size_bytes"] > 100
    assert (listed[empty]["topics_count"], listed[empty]["messages_count"]) == (0, 0)
    assert not any(name.startswith("_") for name in listed)
    assert list(listed) == sorted(listed)
    assert (await any_client.get(f"/streams/{stream}")).body == listed[stream]


async def test_topics_are_listed_and_shown_as_they_were_when_made(any_client):
    stream = await any_client.stream()
    made = [(await any_client.post(f"/streams/{stream}/topics", {"name": name})).body for name in ("a", "b.c")]
    assert (await any_client.get(f"/streams/{stream}/topics")).body == made
    assert (await any_client.get(f"/streams/{stream}/topics/b.c")).body == made[1]


async def test_a_deleted_topic_is_gone_at_once_and_its_name_is_free(any_client):
    stream = await any_client.stream()
    path = f"/streams/{stream}/topics/t"
    await any_client.post(f"/streams/{stream}/topics", {"name": "t"})
    await any_client.post(f"{path}/messages", {"event": generic()})
    deleted = await any_client("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    for answer in (
        await any_client("DELETE", path),
        await any_client.get(path),
        await any_client.poll(0, f"{path}/messages"),
        await any_client.post(f"{path}/messages", {"event": generic()}),
    ):
        assert (answer.status, answer.body["error"]) == (404, "not_found")
    assert (await any_client.get(f"/streams/{stream}/topics")).body == []
    assert (await any_client.post(f"/streams/{stream}/topics", {"name": "t"})).status == 201
    assert (await any_client.poll(0, f"{path}/messages")).body["count"] == 0


async def test_a_stream_is_deleted_with_its_topics(any_client):
    stream = await any_client.stream()
    for name in ("a", "b"):
        await any_client.post(f"/streams/{stream}/topics", {"name": name})
    assert (await any_client("DELETE", f"/streams/{stream}")).status == 204
    assert (await any_client("DELETE", f"/streams/{stream}")).status == 404
    assert (await any_client.get(f"/streams/{stream}/topics")).status == 404
    assert (await any_client.get(f"/streams/{stream}/topics/a")).status == 404
    assert stream not in {found["name"] for found in (await any_client.get("/streams")).body}
    assert (await any_client.post("/streams", {"name": stream})).status == 201
    assert (await any_client.get(f"/streams/{stream}")).body["topics_count"] == 0


async def test_of_many_deletions_at_the_same_time_none_is_an_error_of_ours(any_client):
    stream = await any_client.stream()
    for name in ("a", "b", "c"):
        await any_client.post(f"/streams/{stream}/topics", {"name": name})
    paths = [f"/streams/{stream}", f"/streams/{stream}/topics/a", f"/streams/{stream}"]
    answers = await asyncio.gather(*(any_client("DELETE", path) for path in paths))
    assert {answer.status for answer in answers} <= {204, 404}
    assert (await any_client.get(f"/streams/{stream}")).status == 404


async def test_topics_that_others_made_show_and_internal_ones_do_not(any_client):
    log, prefix = any_client.gateway.log, f"x{uuid.uuid4().hex[:10]}"
    await log.create(TopicSpec(f"{prefix}.settled", 1))
    await log.create(TopicSpec(prefix, 1))
    await log.create(TopicSpec(f"_{prefix}.hidden", 1))
    foreign = (await any_client.get(f"/streams/{prefix}/topics")).body
    assert [(topic["stream"], topic["name"], topic["created_at"]) for topic in foreign] == [(prefix, "settled", None)]
    assert prefix in {topic["name"] for topic in (await any_client.get("/streams/-/topics")).body}
    assert (await any_client.get(f"/streams/-/topics/{prefix}")).status == 200
    assert (await any_client.get(f"/streams/_{prefix}/topics/hidden")).status == 404
    assert (await any_client.get(f"/streams/_{prefix}")).status == 404
    assert (await any_client("DELETE", "/streams/-")).status == 400
    assert (await any_client("DELETE", f"/streams/-/topics/{prefix}")).status == 204


@pytest.mark.parametrize("path", ["/streams/a.b", "/streams/none", "/streams/none/topics", "/streams/none/topics/t"])
async def test_what_does_not_exist_is_404(client, path):
    assert (await client.get(path)).status == 404
    assert (await client("DELETE", path)).status in (404, 405)


async def test_ten_times_as_many_topics_take_little_more_than_ten_times_as_long_to_list(start, tmp_path):
    async with start(BROKER_URL=f"sqlite:///{tmp_path}/log.db") as client:
        stream = await client.stream()

        async def seconds(first: int, topics: int) -> float:
            """Of the fastest of three, once there are so many."""
            specs = (TopicSpec(f"{stream}.t{number}", 3) for number in range(first, topics))
            await asyncio.gather(*map(client.gateway.log.create, specs))
            took = []
            for _ in range(3):
                begun = time.monotonic()
                listed = await client.get(f"/streams/{stream}/topics")
                took.append(time.monotonic() - begun)
                assert len(listed.body) == topics
            return min(took)

        few = await seconds(0, 100)
        assert await seconds(100, 1000) < 30 * few


async def test_a_topic_gets_more_partitions_and_its_configurations_are_merged(any_client):
    stream = await any_client.stream()
    path = f"/streams/{stream}/topics/t"
    await any_client.post(
        f"/streams/{stream}/topics", {"name": "t", "retention_ms": 60000, "configs": {"segment.bytes": "1048576"}}
    )
    await any_client.post(f"{path}/messages", {"event": generic(), "partition_id": 0})
    body = {"partitions": 4, "retention_bytes": 10**6, "configs": {"max.message.bytes": 5000}}
    changed = await any_client("PATCH", path, json=body)
    assert changed.status == 200
    assert changed.body["partitions_count"] == 4
    assert changed.body["configs"] == {
        "retention.ms": "60000", "segment.bytes": "1048576", "retention.bytes": "1000000", "max.message.bytes": "5000",
    }  # fmt: skip
    assert (await any_client.get(path)).body == changed.body
    assert (await any_client.post(f"{path}/messages", {"event": generic(), "partition_id": 3})).status == 201
    assert (await any_client.poll(3, f"{path}/messages")).body["count"] == 1
    assert (await any_client.poll(0, f"{path}/messages")).body["count"] == 1
    too_large = await any_client.post(f"{path}/messages", {"event": generic("x" * 6000)})
    assert too_large.status == 413
    same = await any_client("PATCH", path, json={})
    assert (same.body["configs"], same.body["partitions_count"]) == (changed.body["configs"], 4)


@pytest.mark.parametrize(
    "body",
    [
        {"partitions": 1}, {"partitions": 0}, {"partitions": 1001}, {"partitions": "3"}, {"partitions": True},
        {"partitions": -1}, {"partitions": 2.5}, {"configs": {"nonsense": "1"}},
        {"partitions": 4, "configs": {"retention.ms": "soon"}}, {"name": "u"}, {"replication_factor": 1},
        {"retention_ms": 1, "configs": {"retention.ms": "2"}}, {"cleanup_policy": "burn"},
    ],
)  # fmt: skip
async def test_a_change_that_can_not_be_is_refused_and_changes_nothing(any_client, body):
    stream = await any_client.stream()
    path = f"/streams/{stream}/topics/t"
    made = await any_client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": 2})
    answer = await any_client("PATCH", path, json=body)
    assert (answer.status, answer.body["error"]) == (400, "validation_error")
    assert (await any_client.get(path)).body == made.body


async def test_a_topic_that_is_not_there_can_not_be_changed(any_client):
    stream = await any_client.stream()
    assert (await any_client("PATCH", f"/streams/{stream}/topics/t", json={"partitions": 3})).status == 404
