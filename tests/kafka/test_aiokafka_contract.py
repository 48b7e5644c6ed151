"""The private parts of aiokafka that app/brokers/kafka/internals.py leans on are still there and as they were."""

# ruff: noqa: SLF001  # private parts are the subject

import asyncio
import gc
import inspect
import weakref

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CorruptRecordException
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from app.brokers.kafka import internals
from app.brokers.kafka.compression import CODECS, RecordBatch
from app.brokers.kafka.handing import Produce
from app.brokers.kafka.protocol import DescribeLogDirsRequest
from app.record import BATCH_HEADER, NewRecord, Position

SIGNATURES = {
    AIOKafkaClient._metadata_update: ["self", "cluster_metadata", "topics"],
    AIOKafkaClient.send: ["self", "node_id", "request", "group"],
    AIOKafkaClient.force_metadata_update: ["self"],
    AIOKafkaClient.add_topic: ["self", "topic"],
    PartitionRecords.__init__: [
        "self",
        "tp",
        "records",
        "aborted_transactions",
        "fetch_offset",
        "key_deserializer",
        "value_deserializer",
        "check_crcs",
        "isolation_level",
    ],
    internals.FetchRequest: ["max_wait_time", "min_bytes", "max_bytes", "isolation_level", "topics", "rack_id"],
    internals.OffsetRequest: ["replica_id", "isolation_level", "topics"],
    internals.OffsetFetchRequest: ["consumer_group", "partitions"],
    internals.OffsetCommitRequest: [
        "consumer_group",
        "consumer_group_generation_id",
        "consumer_id",
        "retention_time",
        "topics",
    ],
    internals.FindCoordinatorRequest: ["coordinator_key", "coordinator_type"],
    internals.MetadataRequest: ["topics", "allow_auto_topic_creation"],
    internals.CreateTopicsRequest: ["create_topic_requests", "timeout", "validate_only"],
    internals.CreatePartitionsRequest: ["topic_partitions", "timeout", "validate_only"],
    internals.AlterConfigsRequest: ["resources", "validate_only"],
    internals.DeleteTopicsRequest: ["topics", "timeout"],
    internals.DescribeGroupsRequest: ["groups", "include_authorized_operations"],
    internals.DescribeConfigsRequest: ["resources", "include_synonyms"],
    internals.ListGroupsRequest: [],
    internals.Producer.send_batch: ["self", "batch", "topic", "partition"],
    PartitionRecords._consume_aborted_up_to: ["self", "batch_offset"],
    PartitionRecords._contains_abort_marker: ["self", "next_batch"],
    BatchBuilder.append: ["self", "timestamp", "key", "value", "headers"],
    MessageAccumulator._append_batch: ["self", "builder", "tp"],
    Sender._send_produce_req: ["self", "node_id", "batches"],
    SendProduceReqHandler.__init__: ["self", "sender", "batches"],
}


@pytest.mark.parametrize("callable_", SIGNATURES, ids=lambda c: c.__qualname__)
def test_a_signature_is_as_it_was(callable_):
    assert list(inspect.signature(callable_).parameters) == SIGNATURES[callable_]


def test_metadata_requests_can_forbid_creation():
    newest = internals.MetadataRequest(["t"], allow_auto_topic_creation=False).prepare({3: (0, 99)})
    assert newest.to_object() == {"topics": ["t"], "allow_auto_topic_creation": False}
    nothing_named = internals.MetadataRequest([], allow_auto_topic_creation=False).prepare({3: (0, 99)})
    assert nothing_named.topics == []  # from version 1 on: no topic, where None is every topic


@pytest.mark.parametrize(("known", "version"), [((4, 6), 6), ((4, 17), 11)])
def test_a_fetched_partition_begins_and_ends_as_we_unpack_it(known, version):
    request = internals.FetchRequest(0, 1, 1, 1, [("t", [(0, 0, 1)])]).prepare({1: known})
    assert version == request.API_VERSION
    fields = dict(zip(request.RESPONSE_TYPE.SCHEMA.names, request.RESPONSE_TYPE.SCHEMA.fields, strict=True))
    partition = fields["topics"].array_of.fields[1].array_of.names
    assert partition[:6] == (
        "partition",
        "error_code",
        "highwater_offset",
        "last_stable_offset",
        "log_start_offset",
        "aborted_transactions",
    )
    assert partition[-1] == "message_set"


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (internals.OffsetRequest(-1, 1, []), ("partition", "error_code", "timestamp", "offset")),
        (internals.OffsetFetchRequest("g", []), ("partition", "offset", "metadata", "error_code")),
        (internals.OffsetCommitRequest("g", -1, "", -1, []), ("partition", "error_code")),
        (DescribeLogDirsRequest([]), ("partition", "size", "offset_lag", "is_future")),
    ],
)
def test_an_answers_partitions_are_as_we_unpack_them(request_, names):
    answer = request_.prepare({request_.API_KEY: (0, 99)}).RESPONSE_TYPE.SCHEMA
    fields = dict(zip(answer.names, answer.fields, strict=True))
    if "results" in fields:
        fields = dict(zip(fields["results"].array_of.names, fields["results"].array_of.fields, strict=True))
    assert fields["topics"].array_of.fields[1].array_of.names == names


@pytest.mark.parametrize("newest", range(3, 9))
def test_a_produce_request_of_ours_is_written_as_aiokafka_writes_it(newest):
    topics = [("events.ü", [(0, bytearray(b"first")), (7, b"second" * 100)]), ("t", [(1, b"")])]
    ours, theirs = (kind(None, -1, 60_000, topics).prepare({0: (0, newest)}) for kind in (Produce, ProduceRequest))
    assert ours.encode() == theirs.encode()
    assert (ours.API_KEY, ours.API_VERSION) == (theirs.API_KEY, theirs.API_VERSION)
    assert ours.RESPONSE_TYPE is theirs.RESPONSE_TYPE
    assert (Produce(None, -1, 1, []).required_acks, ours.API_VERSION) == (-1, min(newest, 7))


def test_a_batch_is_never_larger_than_was_estimated():
    batch = new_batch(10_000)
    assert batch.size() == BATCH_HEADER
    estimated = BATCH_HEADER
    for n, (key, value, headers) in enumerate(
        [(b"k", b"v" * 500, ()), (None, None, (("null", None), ("key", b"x" * 200))), (b"", b"", ()), (None, b"1", ())]
    ):
        estimated += NewRecord.of(0, value, 0, key=key, headers=headers).framed
        assert batch.append(timestamp=n * 10**11, key=key, value=value, headers=list(headers)) is not None
        assert batch.size() <= estimated


def test_the_first_record_of_a_batch_is_taken_whatever_its_size():
    batch = new_batch(100)
    assert batch.append(timestamp=0, key=None, value=b"x" * 1000) is not None
    assert batch.append(timestamp=0, key=None, value=b"x") is None


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_compressed_ahead_is_the_one_that_aiokafka_would_have_made(codec):
    usual, ahead = BatchBuilder(100_000, CODECS[codec]), RecordBatch(100_000, CODECS[codec])
    for n in range(100):
        usual.append(timestamp=1000 + n, key=b"k", value=b"v" * 50, headers=[("h", b"x")])
    usual.close()
    ahead.fill([NewRecord.of(0, b"v" * 50, 1000 + n, key=b"k", headers=(("h", b"x"),)) for n in range(100)])
    assert ahead.record_count() == usual.record_count()
    ahead.compress()
    for batch in (usual, ahead):
        batch._set_producer_state(4711, 3, 99)
    made = DefaultRecordBatch(bytes(ahead._build()))
    assert made.validate_crc()
    assert (made.producer_id, made.producer_epoch, made.base_sequence) == (4711, 3, 99)
    assert bytes(ahead._build()) == bytes(usual._build())


def test_a_coordinator_needs_no_consumer_and_tells_whether_it_lives():
    taken = inspect.signature(internals.Coordinator.__init__).parameters
    assert {"group_id", "enable_auto_commit", "exclude_internal_topics", "max_poll_interval_ms"} <= taken.keys()
    assert {"assignment", "offsets"} <= inspect.signature(internals.Coordinator.commit_offsets).parameters.keys()
    for name in ("check_errors", "close"):
        assert callable(getattr(internals.Coordinator, name))
    assert "_coordination_task" in inspect.getsource(GroupCoordinator.__init__)


def test_batches_that_are_read_half_way_keep_nothing():
    batch = new_batch(100_000)
    for _ in range(10):
        batch.append(timestamp=1, key=None, value=b"x")
    gc.disable()
    try:
        source = internals.CommittedRecords(Position("t", 0, 0), bytes(batch._build()), [])
        assert next(iter(next(source.batches()))).value == b"x"
        gone = weakref.ref(source)
        del source
        assert gone() is None
    finally:
        gc.enable()


def test_each_batch_is_checked_by_its_own_checksum():
    batches = []
    for value in (b"one", b"two", b"three"):
        batch = new_batch(1000)
        batch.append(timestamp=1, key=None, value=value)
        batches.append(bytearray(batch._build()))
    read = internals.CommittedRecords(Position("t", 0, 0), b"".join(batches), []).batches()
    assert [record.value for batch in read for record in batch] == [b"one", b"two", b"three"]
    batches[1][-3] ^= 1
    read = internals.CommittedRecords(Position("t", 0, 0), b"".join(batches), []).batches()
    assert [record.value for record in next(read)] == [b"one"]
    with pytest.raises(CorruptRecordException):
        next(read)


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_before_kafka_0_11_are_checked_too(magic):
    builder = LegacyRecordBatchBuilder(magic, 0, 1000)
    builder.append(0, 1, None, b"old")
    data = bytearray(builder.build())
    [batch] = internals.CommittedRecords(Position("t", 0, 0), bytes(data), []).batches()
    assert [record.value for record in batch] == [b"old"]
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        next(internals.CommittedRecords(Position("t", 0, 0), bytes(data), []).batches())


def new_batch(size: int) -> BatchBuilder:
    return BatchBuilder(size, 0)


async def test_what_we_reach_into_is_there():
    producer = internals.Producer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True, acks="all")
    try:
        assert isinstance(producer._message_accumulator, MessageAccumulator)
        assert isinstance(producer._sender, Sender)
        assert producer._message_accumulator._batches == {}
        assert producer._message_accumulator._pending_batches == set()
        assert producer.client._topics == set()
        assert producer.client._conns == {}
        assert producer.client.cluster.partitions_for_topic("t") is None
        assert producer.client._metadata_update.__func__ is internals.Client._metadata_update
        assert "self._metadata_update(self.cluster, topics)" in inspect.getsource(AIOKafkaClient._md_synchronizer)
    finally:
        await internals.abort_producer(producer, 1)


async def test_a_cancelled_handover_leaves_no_batch_queued():
    producer = internals.Producer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True, acks="all")
    try:
        held = producer._message_accumulator
        await held.add_batch(producer.create_batch(), ("t", 0), 10)
        second = asyncio.ensure_future(held.add_batch(producer.create_batch(), ("t", 0), 10))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
        assert [len(batches) for batches in held._batches.values()] == [1]
    finally:
        await internals.abort_producer(producer, 1)
