"""What somebody may see of the log: lists show no more, and count no more."""

from collections.abc import Iterable
from typing import Protocol

from app.names import TopicName


class Sight(Protocol):
    """`sees_all` is for those from whom nothing is kept, such as groups that have read no topic yet."""

    @property
    def sees_all(self) -> bool: ...
    def sees_stream(self, stream: str) -> bool: ...
    def sees_topic(self, stream: str, topic: str) -> bool: ...


class Everything:
    """Our own sight."""

    sees_all = True

    def sees_stream(self, stream: str) -> bool:
        return True

    def sees_topic(self, stream: str, topic: str) -> bool:
        return True


def in_sight(topics: Iterable[str], sight: Sight) -> list[str]:
    """Those of the broker's topics that may be seen."""
    return [full for full in topics if sees(sight, full)]


def sees(sight: Sight, full: str) -> bool:
    """Whether the broker's topic may be seen."""
    name = TopicName.from_broker(full)
    return sight.sees_topic(name.stream, name.topic)
