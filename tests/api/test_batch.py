"""POST …/messages/batch: many events, one outcome each, in order (API 4)."""

import json

import pytest
from samples import generic, user, with_id

NDJSON = "application/x-ndjson"


def lines(*values) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


async def test_a_batch_answers_one_result_per_event_in_order(any_client):
    events = [with_id(n) for n in range(50)]
    sent = await any_client.post("/messages/batch", {"events": events})
    assert sent.status == 201
    assert [item["event_id"] for item in sent.body] == [event["id"] for event in events]
    assert len({item["partition"] for item in sent.body}) == 1
    assert [item["offset"] for item in sent.body] == list(range(50))
    polled = await any_client.poll(sent.body[0]["partition"], count=100)
    assert [message["id"] for message in polled.body["messages"]] == [event["id"] for event in events]


async def test_one_key_for_the_whole_batch(any_client):
    sent = await any_client.post("/messages/batch", {"events": [generic(n) for n in range(5)], "partition_key": "k"})
    partition = sent.body[0]["partition"]
    messages = (await any_client.poll(partition)).body["messages"]
    assert [message["key"] for message in messages] == ["k"] * 5


async def test_keys_and_partitions_of_single_messages_beat_the_batchs(any_client):
    messages = [
        {"event": with_id(0), "partition_key": "own"},
        {"event": with_id(1), "partition_id": 2},
        {"event": with_id(2)},
        {"event": with_id(3), "headers": {"h": "x"}},
    ]
    sent = await any_client.post("/messages/batch", {"messages": messages, "partition_key": "shared"})
    assert sent.status == 201
    keys = {}
    for partition in range(3):
        for message in (await any_client.poll(partition)).body["messages"]:
            keys[message["id"]] = (message["key"], partition, message.get("headers"))
    first, second, third, fourth = (keys[item["event_id"]] for item in sent.body)
    assert (first[0], second[0], third[0]) == ("own", "shared", "shared")
    assert second[1] == 2
    assert fourth[2] == {"h": "x"}


async def test_in_a_keyed_batch_what_has_no_key_shares_one_partition(client):
    messages = [{"event": generic(n)} | ({"partition_key": str(n)} if n % 2 else {}) for n in range(40)]
    sent = await client.post("/messages/batch", {"messages": messages})
    assert len({item["partition"] for item in sent.body[::2]}) == 1
    assert len({item["partition"] for item in sent.body[1::2]}) == 3


async def test_order_within_a_key_is_the_order_of_the_request(any_client):
    messages = [{"event": generic(n), "partition_key": f"k{n % 5}"} for n in range(100)]
    await any_client.post("/messages/batch", {"messages": messages})
    for partition in range(3):
        seen: dict[str, list[int]] = {}
        for message in (await any_client.poll(partition, count=100)).body["messages"]:
            seen.setdefault(message["key"], []).append(message["event"]["payload"]["data"])
        assert all(numbers == sorted(numbers) for numbers in seen.values())


async def test_ndjson_takes_events_and_messages_and_skips_blank_lines(any_client):
    first, second = with_id(1), with_id(2)
    body = lines(first) + b"\n\n  \r\n" + lines({"event": second, "partition_key": "k", "partition_id": 1}) + b"\n"
    sent = await any_client.post_bytes("/messages/batch", body, NDJSON)
    assert sent.status == 201
    assert [item["event_id"] for item in sent.body] == [first["id"], second["id"]]
    assert sent.body[1]["partition"] == 1


async def test_named_topics_take_batches_too(any_client):
    stream = await any_client.stream()
    await any_client.post(f"/streams/{stream}/topics", {"name": "t.x", "partitions": 1})
    path = f"/streams/{stream}/topics/t.x/messages"
    sent = await any_client.post(f"{path}/batch", {"events": [generic(1), generic(2)]})
    assert [(item["stream"], item["topic"], item["offset"]) for item in sent.body] == [
        (stream, "t.x", 0),
        (stream, "t.x", 1),
    ]
    assert (await any_client.poll(0, path)).body["count"] == 2


async def test_a_bad_event_refuses_the_whole_batch_and_names_every_bad_one(any_client):
    sent = await any_client.post("/messages/batch", {"events": [generic(), {}, generic(), user(email="x"), 7]})
    assert (sent.status, sent.body["error"], sent.body["outcome"]) == (400, "validation_error", "not_written")
    assert {detail["index"] for detail in sent.body["details"]} == {1, 3, 4}
    for partition in range(3):
        assert (await any_client.poll(partition)).body["high_watermark"] == 0


async def test_too_large_an_event_refuses_the_whole_batch_by_index(client):
    sent = await client.post("/messages/batch", {"events": [generic(), generic("x" * 1_000_001)]})
    assert (sent.status, sent.body["error"]) == (413, "message_too_large")
    assert [detail["index"] for detail in sent.body["details"]] == [1]


@pytest.mark.parametrize("count", [0, 4])
async def test_the_size_of_a_batch_is_bounded_and_both_numbers_are_named(start, count):
    async with start(BATCH_MAX_SIZE="3") as client:
        refused = await client.post("/messages/batch", {"events": [generic()] * count})
        assert (refused.status, refused.body["error"]) == (400, "validation_error")
        assert "3" in refused.body["message"]
        assert str(count) in refused.body["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"events": [generic()], "messages": [{"event": generic()}]},
        {"events": "x"},
        {"events": [generic()], "other": 1},
        {"events": [generic()], "partition_key": 5},
        {"messages": [generic()]},
        {"messages": [{"event": generic(), "extra": 1}]},
        [generic()],
        7,
    ],
)
async def test_a_bad_batch_object_is_refused(client, body):
    refused = await client.post("/messages/batch", body)
    assert (refused.status, refused.body["error"], refused.body["outcome"]) == (400, "validation_error", "not_written")


async def test_a_bad_line_of_ndjson_is_named(client):
    refused = await client.post_bytes("/messages/batch", lines(generic()) + b"\n{oops\n", NDJSON)
    assert refused.status == 400
    assert [detail["index"] for detail in refused.body["details"]] == [1]


async def test_partial_sends_the_good_ones_and_tells_of_the_bad_in_place(any_client):
    good, other = with_id(1), with_id(2)
    events = [{}, good, generic("x" * 1_000_001), other]
    sent = await any_client.post("/messages/batch?partial=true", {"events": events})
    assert sent.status == 207
    assert [item["success"] for item in sent.body] == [False, True, False, True]
    assert sent.body[0] == sent.body[0] | {"event_id": None, "error": "validation_error", "outcome": "not_written"}
    assert (sent.body[2]["error"], sent.body[2]["outcome"]) == ("message_too_large", "not_written")
    assert [sent.body[1]["event_id"], sent.body[3]["event_id"]] == [good["id"], other["id"]]


async def test_partial_with_nothing_good_is_an_error_and_with_nothing_bad_a_plain_answer(client):
    refused = await client.post("/messages/batch?partial=true", {"events": [{}, 5]})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    assert {detail["index"] for detail in refused.body["details"]} == {0, 1}
    assert (await client.post("/messages/batch?partial=true", {"events": [generic()]})).status == 201
    assert (await client.post("/messages/batch?partial=perhaps", {"events": [generic()]})).status == 400


async def test_repeats_answer_200_when_nothing_was_new_and_201_when_something_was(any_client):
    events = [with_id(1), with_id(2)]
    first = await any_client.post("/messages/batch", {"events": events})
    again = await any_client.post("/messages/batch", {"events": events})
    mixed = await any_client.post("/messages/batch", {"events": [*events, with_id(3)]})
    assert (first.status, again.status, mixed.status) == (201, 200, 201)
    assert again.body == [item | {"duplicate": True} for item in first.body]
    assert [item.get("duplicate", False) for item in mixed.body] == [True, True, False]


async def test_an_id_repeated_within_a_batch_gets_the_firsts_result(any_client):
    event = with_id()
    sent = await any_client.post("/messages/batch", {"events": [event, event]})
    assert sent.status == 201
    assert sent.body[1] == sent.body[0] | {"duplicate": True}
