"""Names of streams, topics, consumers and partition keys, and the rules they obey.

A topic is called `<stream>.<topic>` on the broker; the first dot splits. A broker topic without a dot
is reached as stream `-`. Names that begin with `_` on the broker are internal.
"""

import re
from dataclasses import dataclass, field

from app.errors import NotFound, ValidationFailed

NO_STREAM = "-"
MAX_NAME = 200
MAX_BROKER_NAME = 249
MAX_PARTITIONS = 1000

_LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")
CONSUMER_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SPECIALS = frozenset("._-")


@dataclass(frozen=True, slots=True)
class TopicName:
    """A topic as clients address it. `full` is its name on the broker."""

    stream: str
    topic: str
    full: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        full = self.topic if self.stream == NO_STREAM else f"{self.stream}.{self.topic}"
        object.__setattr__(self, "full", full)

    @classmethod
    def from_broker(cls, full: str) -> "TopicName":
        """The address of a topic that exists on the broker, whoever made it."""
        stream, dot, topic = full.partition(".")
        return cls(stream, topic) if dot else cls(NO_STREAM, full)

    @classmethod
    def address(cls, stream: str, topic: str) -> "TopicName":
        """An address to look up. Raises ValidationFailed for what no broker can hold, NotFound for an internal name."""
        name = cls(stream, topic)
        for field_name, text in (("stream", stream), ("topic", topic)):
            if not _LEGAL.fullmatch(text):
                raise ValidationFailed.of(field_name, "a name has 1–249 of the characters A-Z a-z 0-9 . _ -")
        if "." in stream or (stream == NO_STREAM and "." in topic) or len(name.full) > MAX_BROKER_NAME:
            raise NotFound(f"topic '{topic}' does not exist in stream '{stream}'")
        if is_internal(name.full):
            raise NotFound(f"topic '{topic}' does not exist in stream '{stream}'")
        return name

    @classmethod
    def create(cls, stream: str, topic: str) -> "TopicName":
        """A name fit for a new topic. Raises ValidationFailed."""
        if stream == NO_STREAM:
            raise ValidationFailed.of("stream", "'-' holds the topics without a stream and takes no new ones")
        check_new_name("topic", topic, dots=True)
        name = cls(stream, topic)
        if len(name.full) > MAX_BROKER_NAME:
            raise ValidationFailed.of(
                "name", f"'stream.topic' has {len(name.full)} characters, at most {MAX_BROKER_NAME} are allowed"
            )
        return name


def new_stream_name(text: str) -> str:
    """A name fit for a new stream. Raises ValidationFailed."""
    check_new_name("stream", text, dots=False)
    return text


def check_new_name(kind: str, text: str, *, dots: bool) -> None:
    """Refuse what is not 1–200 of [A-Za-z0-9._-] (no dot in streams), with lone specials strictly inside."""
    if not 1 <= len(text) <= MAX_NAME:
        raise ValidationFailed.of("name", f"a {kind} name has 1–{MAX_NAME} characters, this one has {len(text)}")
    allowed = "A-Z a-z 0-9 . _ -" if dots else "A-Z a-z 0-9 _ -"
    for position, char in enumerate(text):
        special = char in _SPECIALS and (dots or char != ".")
        if not special and not (char.isascii() and char.isalnum()):
            raise ValidationFailed.of("name", f"{char!r} at position {position} is not one of {allowed}")
        if special and position in (0, len(text) - 1):
            raise ValidationFailed.of("name", f"a {kind} name starts and ends with a letter or a digit, not {char!r}")
        if special and text[position - 1] in _SPECIALS:
            raise ValidationFailed.of("name", f"two special characters in a row at position {position - 1}")


def consumer_id(text: str) -> str:
    """A consumer id as given, once it is known to be legal. Raises ValidationFailed."""
    if not CONSUMER_ID.fullmatch(text):
        raise ValidationFailed.of("consumer_id", "must be 1–200 of the characters A-Z a-z 0-9 . _ -")
    return text


def is_internal(full: str) -> bool:
    """Whether a broker topic is for brokers and gateways alone."""
    return full.startswith("_")


def collision_key(full: str) -> str:
    """Two topics whose keys are equal differ only by `.` against `_`, which Kafka can't tell apart in metrics."""
    return full.replace(".", "_")
