"""What a topic is made of: the wish for a new one, its configuration, its description.

Configuration names and values are Kafka's (https://kafka.apache.org/documentation/#topicconfigs), on every broker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.errors import ValidationFailed

RETENTION_MS = "retention.ms"
RETENTION_BYTES = "retention.bytes"
CLEANUP_POLICY = "cleanup.policy"
MAX_MESSAGE_BYTES = "max.message.bytes"
MIN_INSYNC_REPLICAS = "min.insync.replicas"
DIRTY_RATIO = "min.cleanable.dirty.ratio"
MIN_LAG_MS = "min.compaction.lag.ms"
MAX_LAG_MS = "max.compaction.lag.ms"
DELETE_RETENTION_MS = "delete.retention.ms"

DEFAULT_CONFIGS: Mapping[str, str] = {
    CLEANUP_POLICY: "delete",
    RETENTION_MS: "604800000",
    RETENTION_BYTES: "-1",
    MAX_MESSAGE_BYTES: "1048588",
}

COMPACTION_DEFAULTS: Mapping[str, str] = {
    DIRTY_RATIO: "0.5",
    MIN_LAG_MS: "0",
    MAX_LAG_MS: str(2**63 - 1),
    DELETE_RETENTION_MS: "86400000",
}

KAFKA_CONFIGS = frozenset(
    {
        *DEFAULT_CONFIGS,
        *COMPACTION_DEFAULTS,
        MIN_INSYNC_REPLICAS,
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "index.interval.bytes",
        "local.retention.bytes",
        "local.retention.ms",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "preallocate",
        "remote.storage.enable",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    }
)


@dataclass(frozen=True, slots=True)
class TopicConfigs:
    """The configuration that the gateway itself acts on, read out of Kafka's names and texts."""

    retention_ms: int
    retention_bytes: int
    max_message_bytes: int
    compacted: bool
    deletes: bool

    @classmethod
    def read(cls, configs: Mapping[str, str]) -> "TopicConfigs":
        """Raises ValidationFailed for a value that Kafka would refuse."""
        known = {**DEFAULT_CONFIGS, **configs}
        policies = {part.strip() for part in known[CLEANUP_POLICY].split(",")}
        if not policies <= {"delete", "compact"}:
            raise ValidationFailed.of(
                f"configs.{CLEANUP_POLICY}", f"must be 'delete', 'compact' or both, not {known[CLEANUP_POLICY]!r}"
            )
        return cls(
            retention_ms=_integer(known, RETENTION_MS, least=-1),
            retention_bytes=_integer(known, RETENTION_BYTES, least=-1),
            max_message_bytes=_integer(known, MAX_MESSAGE_BYTES, least=0),
            compacted="compact" in policies,
            deletes="delete" in policies,
        )


@dataclass(frozen=True, slots=True)
class CompactionConfigs:
    """When a compacted topic is compacted, read out of Kafka's names and texts. Times are milliseconds."""

    dirty_ratio: float
    min_lag_ms: int
    max_lag_ms: int
    delete_retention_ms: int

    @classmethod
    def read(cls, configs: Mapping[str, str]) -> "CompactionConfigs":
        """Raises ValidationFailed for a value that Kafka would refuse."""
        known = {**COMPACTION_DEFAULTS, **configs}
        read = cls(
            dirty_ratio=_share(known, DIRTY_RATIO),
            min_lag_ms=_integer(known, MIN_LAG_MS, least=0),
            max_lag_ms=_integer(known, MAX_LAG_MS, least=1),
            delete_retention_ms=_integer(known, DELETE_RETENTION_MS, least=0),
        )
        if read.min_lag_ms > read.max_lag_ms:
            raise ValidationFailed.of(f"configs.{MIN_LAG_MS}", f"must not be larger than {MAX_LAG_MS}")
        return read


class TopicLayout(NamedTuple):
    """What a send has to know of a topic."""

    partitions: int
    configs: TopicConfigs


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The wish for a new topic. `name` is the broker's. `replication_factor` None leaves it to the broker's size."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    replication_factor: int | None = None


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """One partition. `leader` is None while it has none; an embedded log is its own node 0."""

    partition: int
    leader: int | None = 0
    replicas: tuple[int, ...] = (0,)
    in_sync: tuple[int, ...] = (0,)
    log_start_offset: int = 0
    high_watermark: int = 0


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as the broker knows it; `configs` are the values that differ from the broker's defaults."""

    name: str
    partitions: tuple[PartitionInfo, ...]
    configs: Mapping[str, str]
    size_bytes: int = 0

    @property
    def messages(self) -> int:
        """Records between log start and high watermark, over all partitions."""
        return sum(p.high_watermark - p.log_start_offset for p in self.partitions)


def check_growth(now: int, wanted: int | None) -> int:
    """How many partitions there shall be. Raises ValidationFailed for fewer than there are."""
    if wanted is not None and wanted < now:
        raise ValidationFailed.of("partitions", f"can't become fewer: the topic has {now}, not {wanted}")
    return wanted or now


def check_embedded(spec: TopicSpec) -> TopicConfigs:
    """Refuse what a one-node Kafka would refuse. Raises ValidationFailed."""
    for name in spec.configs:
        if name not in KAFKA_CONFIGS:
            raise ValidationFailed.of(f"configs.{name}", "is not a topic configuration that Kafka knows")
    if spec.replication_factor not in (None, 1):
        raise ValidationFailed.of(
            "replication_factor", f"must be 1: this log has one node, not {spec.replication_factor}"
        )
    CompactionConfigs.read(spec.configs)
    return TopicConfigs.read(spec.configs)


def _share(configs: Mapping[str, str], name: str) -> float:
    try:
        value = float(configs[name])
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise ValidationFailed.of(f"configs.{name}", f"must be a number from 0 to 1, not {configs[name]!r}")
    return value


def _integer(configs: Mapping[str, str], name: str, *, least: int) -> int:
    try:
        value = int(configs[name])
    except ValueError:
        value = least - 1
    if not least <= value < 2**63:
        raise ValidationFailed.of(f"configs.{name}", f"must be a whole number from {least}, not {configs[name]!r}")
    return value
