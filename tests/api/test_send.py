"""POST …/messages: one event, durable when answered (API 4)."""

import asyncio
import contextlib
import uuid

import apsw
import pytest
from samples import generic, order, user, with_id


async def test_a_sent_event_is_read_back_where_the_answer_says(any_client):
    event = with_id({"n": 1})
    sent = await any_client.post("/messages", {"event": event, "partition_key": "k"})
    assert sent.status == 201
    assert sent.body["success"] is True
    assert sent.body["event_id"] == event["id"]
    polled = await any_client.poll(sent.body["partition"], offset=sent.body["offset"])
    [message] = polled.body["messages"]
    assert message["id"] == event["id"]
    assert message["key"] == "k"
    assert message["timestamp"] == sent.body["timestamp"]
    assert message["event"]["payload"] == event["payload"]


async def test_equal_keys_share_a_partition(any_client):
    answers = [await any_client.post("/messages", {"event": generic(n), "partition_key": "same"}) for n in range(10)]
    assert len({answer.body["partition"] for answer in answers}) == 1
    assert [answer.body["offset"] for answer in answers] == list(range(10))


@pytest.mark.parametrize(("key", "partition"), [("user-ada", 0), ("ключ", 2), ("a", 1), ("order-42", 0)])
async def test_keys_go_where_kafkas_own_clients_send_them(client, key, partition):
    sent = await client.post("/messages", {"event": generic(), "partition_key": key})
    assert sent.body["partition"] == partition


async def test_what_has_neither_key_nor_partition_goes_round(any_client):
    answers = [await any_client.post("/messages", {"event": generic(n)}) for n in range(7)]
    partitions = [answer.body["partition"] for answer in answers]
    assert set(partitions[:3]) == {0, 1, 2}
    assert partitions[3:] == partitions[:4]


async def test_partition_id_decides_and_the_key_is_stored_all_the_same(any_client):
    sent = await any_client.post("/messages", {"event": generic(), "partition_key": "user-ada", "partition_id": 2})
    assert sent.body["partition"] == 2
    assert (await any_client.poll(2)).body["messages"][0]["key"] == "user-ada"


async def test_the_aggregate_id_is_the_key_when_there_is_no_other(client):
    sent = await client.post("/messages", {"event": generic(aggregate_id="agg-1")})
    assert (await client.poll(sent.body["partition"])).body["messages"][0]["key"] == "agg-1"


async def test_generic_data_comes_back_to_the_digit(any_client):
    text = (
        '{"event":{"event_type":"a.b","payload":{"type":"Generic","data":'
        '{"z":1.10,"a":1e5,"big":123456789012345678901234567890,"esc":"\\u00e9\\/","dup":1, "sp" : [ 1 , 2 ]}}}}'
    )
    sent = await any_client.post_bytes("/messages", text.encode())
    assert sent.status == 201
    async with any_client.session.get(
        f"{any_client.url}/messages", params={"partition_id": sent.body["partition"], "offset": sent.body["offset"]}
    ) as response:
        raw = await response.text()
    assert '"data":{"z":1.10,"a":1e5,"big":123456789012345678901234567890,"esc":"\\u00e9\\/","dup":1,"sp":[1,2]}' in raw


async def test_what_the_client_leaves_out_is_filled_in_and_unset_members_are_left_out(client):
    sent = await client.post("/messages", {"event": generic({}, source=None, extra={"kept": True})})
    [message] = (await client.poll(sent.body["partition"])).body["messages"]
    assert uuid.UUID(message["event"]["id"]).version == 4
    assert message["event"]["timestamp"].endswith("Z")
    assert message["event"]["extra"] == {"kept": True}
    assert "source" not in message["event"]
    assert "correlation_id" not in message["event"]


async def test_aliases_are_read_and_never_written(client):
    event_id = str(uuid.uuid4())
    event = {"event_id": event_id, "event_type": "a.b", "data": {"type": "Generic", "data": 1}}
    sent = await client.post("/messages", {"event": event})
    assert sent.body["event_id"] == event_id
    [message] = (await client.poll(sent.body["partition"])).body["messages"]
    assert message["event"]["id"] == event_id
    assert message["event"]["payload"] == {"type": "Generic", "data": 1}
    assert not {"event_id", "data"} & set(message["event"])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:00Z"),
        ("2026-01-15T12:30:00.5+02:00", "2026-01-15T10:30:00.500000Z"),
        (1767225600, "2026-01-01T00:00:00Z"),
        (1767225600.25, "2026-01-01T00:00:00.250000Z"),
    ],
)
async def test_timestamps_are_rfc_3339_or_epoch_and_stored_as_utc(client, given, stored):
    sent = await client.post("/messages", {"event": generic(timestamp=given)})
    [message] = (await client.poll(sent.body["partition"])).body["messages"]
    assert message["event"]["timestamp"] == stored


@pytest.mark.parametrize(("given", "stored"), [(19.99, "19.99"), ("0.10", "0.10"), (5, "5"), ("1e2", "100")])
async def test_money_goes_in_as_number_or_text_and_comes_out_as_exact_text(client, given, stored):
    items = [{"product_id": "x", "quantity": 1, "unit_price": given, "note": 1.50}]
    sent = await client.post("/messages", {"event": order(items=items, total_amount=given)})
    assert sent.status == 201
    data = (await client.poll(sent.body["partition"])).body["messages"][0]["event"]["payload"]["data"]
    assert data["total_amount"] == stored
    assert data["items"] == [{"product_id": "x", "quantity": 1, "unit_price": stored, "note": 1.5}]


async def test_a_repeated_id_answers_with_the_first_position(any_client):
    event = with_id()
    first = await any_client.post("/messages", {"event": event, "partition_id": 1})
    again = await any_client.post("/messages", {"event": event | {"event_type": "other"}, "partition_id": 2})
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body | {"duplicate": True}


async def test_headers_of_the_client_come_back_and_the_gateways_own_are_there(client):
    sent = await client.post("/messages", {"event": generic(), "headers": {"tenant": "a", "note": "ü"}})
    [message] = (await client.poll(sent.body["partition"])).body["messages"]
    assert message["headers"] == {"tenant": "a", "note": "ü"}


BAD_EVENTS = [
    ({}, "event_type"),
    (generic() | {"event_type": ""}, "event_type"),
    (generic() | {"event_type": "x" * 257}, "event_type"),
    (generic() | {"event_type": "a\nb"}, "event_type"),
    (generic() | {"event_type": 5}, "event_type"),
    (generic(id="not-a-uuid"), "id"),
    (generic(timestamp="yesterday"), "timestamp"),
    (generic(timestamp="2026-01-15T10:30:00"), "timestamp"),
    (generic(timestamp=1e30), "timestamp"),
    (generic(timestamp=True), "timestamp"),
    (generic(version=0), "version"),
    (generic(version="1"), "version"),
    (generic(correlation_id="x"), "correlation_id"),
    (generic(metadata=[]), "metadata"),
    ({"event_type": "a", "payload": {"type": "Nope", "data": 1}}, "payload"),
    ({"event_type": "a", "payload": {"type": "Generic"}}, "payload.data"),
    ({"event_type": "a", "payload": 5}, "payload"),
    (user("Exploded"), "payload.data"),
    (user(user_id="x"), "payload.data.user_id"),
    (user(email="nobody"), "payload.data.email"),
    (user("LoggedIn", ip_address="1.2.3"), "payload.data.ip_address"),
    (order(total_amount=-1), "payload.data.total_amount"),
    (order(total_amount="1_0"), "payload.data.total_amount"),
    (order(items=[{"product_id": "", "quantity": 1, "unit_price": 1}]), "payload.data.items.0.product_id"),
    (order(items=[{"product_id": "x", "quantity": 0, "unit_price": 1}]), "payload.data.items.0.quantity"),
    (order(items=[{"product_id": "x", "quantity": 1.5, "unit_price": 1}]), "payload.data.items.0.quantity"),
    (order(items=[{"product_id": "x", "quantity": 1, "unit_price": "free"}]), "payload.data.items.0.unit_price"),
]


@pytest.mark.parametrize(("event", "field"), BAD_EVENTS)
async def test_a_bad_event_is_refused_by_field_and_nothing_is_written(client, event, field):
    refused = await client.post("/messages", {"event": event})
    assert refused.status == 400
    assert refused.body["error"] == "validation_error"
    assert refused.body["outcome"] == "not_written"
    assert refused.body["request_id"] == refused.headers["X-Request-Id"]
    assert f"event.{field}" in [detail["field"] for detail in refused.body["details"]]
    for partition in range(3):
        assert (await client.poll(partition)).body["high_watermark"] == 0


@pytest.mark.parametrize("event", [5, "text", [], True, 1.5])
async def test_an_event_is_an_object(client, event):
    refused = await client.post("/messages", {"event": event})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    assert refused.body["details"] == [{"field": "event", "message": "must be a JSON object"}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": generic(), "partition_kee": "x"},
        {"event": generic(), "partition_key": ""},
        {"event": generic(), "partition_key": "x" * 256},
        {"event": generic(), "partition_key": 5},
        {"event": generic(), "partition_id": -1},
        {"event": generic(), "partition_id": "0"},
        {"event": generic(), "headers": {"event-id": "mine"}},
        {"event": generic(), "headers": {"a b": "x"}},
        {"event": generic(), "headers": {"a": 5}},
        {"event": generic(), "headers": {str(n): "x" for n in range(33)}},
        [],
        "text",
        5,
    ],
)
async def test_a_bad_request_object_is_refused(client, body):
    refused = await client.post("/messages", body)
    assert refused.status == 400
    assert refused.body["error"] == "validation_error"
    assert refused.body["details"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"event": NaN}',
        b'{"event": Infinity}',
        b'{"event": "\\ud800"}',
        b'{"event": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"event": {}} trailing',
        b'{"event": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"event": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
async def test_what_is_not_json_is_a_bad_request(client, text):
    refused = await client.post_bytes("/messages", text)
    assert (refused.status, refused.body["error"], refused.body["outcome"]) == (400, "bad_request", "not_written")


async def test_of_a_repeated_member_the_last_counts_and_is_what_is_stored(client):
    text = b'{"event":{"event_type":"first","event_type":"second","payload":{"type":"Generic","data":1}}}'
    sent = await client.post_bytes("/messages", text)
    [message] = (await client.poll(sent.body["partition"])).body["messages"]
    assert message["event"]["event_type"] == "second"


async def test_a_partition_that_is_not_there_is_not_found(any_client):
    refused = await any_client.post("/messages", {"event": generic(), "partition_id": 3})
    assert refused.status == 404
    assert "3" in refused.body["message"]


@pytest.mark.parametrize("path", ["/streams/none/topics/none", "/streams/-/topics/none", "/streams/-/topics/_internal"])
async def test_unknown_and_internal_topics_are_not_found(any_client, path):
    refused = await any_client.post(f"{path}/messages", {"event": generic(1)})
    assert (refused.status, refused.body["error"], refused.body["outcome"]) == (404, "not_found", "not_written")


async def test_the_internal_catalog_is_out_of_reach(client):
    for method in ("GET", "POST"):
        refused = await client(method, "/streams/-/topics/_gateway-catalog/messages", json={"event": generic(1)})
        assert refused.status == 404


async def test_an_event_larger_than_a_message_may_be_is_refused_before_it_is_sent(any_client):
    refused = await any_client.post("/messages", {"event": generic("x" * 1_000_001)})
    assert (refused.status, refused.body["error"], refused.body["outcome"]) == (413, "message_too_large", "not_written")
    assert (await any_client.post("/messages", {"event": generic("x" * 900_000)})).status == 201


async def test_a_topics_own_limit_counts_too(any_client):
    stream = await any_client.stream()
    body = {"name": "small", "configs": {"max.message.bytes": 2000}}
    assert (await any_client.post(f"/streams/{stream}/topics", body)).status == 201
    path = f"/streams/{stream}/topics/small/messages"
    refused = await any_client.post(path, {"event": generic("x" * 2000)})
    assert (refused.status, refused.body["error"]) == (413, "message_too_large")
    assert (await any_client.post(path, {"event": generic("x" * 1000)})).status == 201


async def test_tombstones_need_a_compacted_topic_and_a_key(any_client):
    await any_client.post("/messages", {"event": generic(1)})
    refused = await any_client.post("/messages", {"event": None, "partition_key": "k"})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    stream = await any_client.stream()
    created = await any_client.post(f"/streams/{stream}/topics", {"name": "state", "cleanup_policy": "compact"})
    assert created.status == 201
    path = f"/streams/{stream}/topics/state/messages"
    sent = await any_client.post(path, {"event": None, "partition_key": "k"})
    assert (sent.status, sent.body["event_id"]) == (201, None)
    keyless = await any_client.post(path, {"event": generic(1)})
    assert (keyless.status, keyless.body["error"]) == (400, "validation_error")
    [message] = (await any_client.poll(0, path)).body["messages"]
    assert (message["event"], message["value_base64"], message["key"], message["size"]) == (None, None, "k", 0)


async def test_what_the_writer_had_taken_when_the_gateway_stops_is_unknown(start, tmp_path):
    async with start(BROKER_URL=f"sqlite:///{tmp_path}/log.db") as client:
        await client.gateway.trail.flush()  # the writer has nothing else to do
        with contextlib.closing(apsw.Connection(str(tmp_path / "log.db"))) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            sending = asyncio.ensure_future(client.post("/messages", {"event": generic(1)}))
            await asyncio.sleep(0.5)
            assert client.gateway.deadlines.bring_all_forward() == 1
            answer = await asyncio.wait_for(sending, 1)
        assert answer.status == 503
        assert (answer.body["error"], answer.body["outcome"]) == ("shutting_down", "unknown")
