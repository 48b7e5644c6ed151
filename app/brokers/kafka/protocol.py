"""What aiokafka lacks of Kafka's protocol (https://kafka.apache.org/protocol): sizes of replicas (API key 35), and
forgetting offsets (47)."""

from typing import Any

from app.brokers.kafka.internals import (
    Array,
    Boolean,
    Int16,
    Int32,
    Int64,
    Request,
    RequestStruct,
    Response,
    Schema,
    String,
)


class DescribeLogDirsResponse_v1(Response):  # type: ignore[misc]  # noqa: N801  # named as aiokafka names them
    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("topic", String("utf-8")),
                        (
                            "partitions",
                            Array(("partition", Int32), ("size", Int64), ("offset_lag", Int64), ("is_future", Boolean)),
                        ),
                    ),
                ),
            ),
        ),
    )


class DescribeLogDirsRequest_v1(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = DescribeLogDirsResponse_v1
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


class DescribeLogDirsRequest(Request[DescribeLogDirsRequest_v1]):  # type: ignore[misc]  # aiokafka carries no types
    """What the replicas on one broker weigh."""

    API_KEY = 35

    def __init__(self, topics: list[tuple[str, list[int]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[DescribeLogDirsRequest_v1]) -> Any:
        return request_struct_class(self._topics)


class OffsetDeleteResponse_v0(Response):  # type: ignore[misc]  # noqa: N801  # as above
    API_KEY = 47
    API_VERSION = 0
    SCHEMA = Schema(
        ("error_code", Int16),
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("partition", Int32), ("error_code", Int16))),
            ),
        ),
    )


class OffsetDeleteRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    API_KEY = 47
    API_VERSION = 0
    RESPONSE_TYPE = OffsetDeleteResponse_v0
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
    )


class OffsetDeleteRequest(Request[OffsetDeleteRequest_v0]):  # type: ignore[misc]  # aiokafka carries no types
    """Drop a group's offsets on some partitions of a topic."""

    API_KEY = 47

    def __init__(self, group: str, topic: str, partitions: list[int]) -> None:
        self._group = group
        self._topic = topic
        self._partitions = partitions

    def build(self, request_struct_class: type[OffsetDeleteRequest_v0]) -> Any:
        return request_struct_class(self._group, [(self._topic, self._partitions)])
