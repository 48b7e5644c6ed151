"""How to reach a cluster: servers, security, patience."""

from dataclasses import dataclass, field
from typing import Any

from app.brokers.kafka.compression import Compression
from app.brokers.kafka.security import Security


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """`servers` are `host:port`. Times are seconds; connecting may take `request_timeout` once more."""

    servers: tuple[str, ...]
    security: Security = field(default_factory=Security)
    default_replication_factor: int | None = None
    compression: Compression = "none"
    request_timeout: float = 10
    close_timeout: float = 3
    client_id: str = "sluice"

    def for_client(self) -> dict[str, Any]:
        """Arguments that aiokafka's client and producer share. Raises Disconnected for certificates it can't use."""
        return {
            "bootstrap_servers": list(self.servers),
            "client_id": self.client_id,
            **self.security.for_client(self.request_timeout),
        }
