"""Our broker and an independent witness, librdkafka, on the same cluster."""

import uuid
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from support import fresh_topic

from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.topic import TopicSpec

NOBODY = 100
"""Milliseconds in which the witness looks once for a message."""


class Witness:
    """Kafka as another client sees it."""

    def __init__(self, servers: str) -> None:
        self._servers = servers

    def producer(self, **options) -> Producer:
        return Producer({"bootstrap.servers": self._servers, **options})

    def write(self, topic: str, *values: bytes | None, partition: int = 0, key: bytes | None = None, **options) -> None:
        """Write with a producer of these options, and wait for it."""
        producer = self.producer(**options)
        for value in values:
            producer.produce(topic, value, key, partition)
        assert producer.flush(20) == 0

    def read(self, topic: str, count: int, partition: int = 0) -> list:
        """The first messages of a partition, in librdkafka's words."""
        consumer = self.consumer(f"witness-{uuid.uuid4()}")
        try:
            consumer.assign([TopicPartition(topic, partition, 0)])
            found = []
            while len(found) < count:
                messages = consumer.consume(count - len(found), timeout=10)
                assert messages, f"only {len(found)} of {count} came"
                found += messages
            return found
        finally:
            consumer.close()

    def consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )


@pytest.fixture
def witness(kafka) -> Witness:
    return Witness(kafka)


@pytest.fixture
async def log(kafka) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(KafkaOptions(tuple(kafka.split(","))))
    await broker.open()
    yield broker
    await broker.close()


@pytest.fixture
async def topic(log) -> str:
    """A fresh topic of three partitions."""
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 3))
    return name
