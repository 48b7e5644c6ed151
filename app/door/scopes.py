"""What a key may do: scopes such as `produce:orders.*`, `consume:*.audit` and `admin`.

A pattern is a glob on `stream.topic` as clients address it (`-.name` for a topic without a stream): `*` stands for any
characters, dots included; all others for themselves.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import translate

_SCOPE = re.compile(r"admin|(produce|consume):([A-Za-z0-9._*-]{1,249})")


class Right(StrEnum):
    """What a route asks of a key."""

    ANY = "any"
    """Nothing but to be valid: the answer holds what the key may see."""
    SEE = "see"
    """That some scope reaches the stream or the topic in the path."""
    PRODUCE = "produce"
    CONSUME = "consume"
    ADMIN = "admin"


class Scopes:
    """A set of scopes. Raises ValueError for one that can't be read."""

    def __init__(self, scopes: Iterable[str]) -> None:
        patterns: dict[str, list[str]] = {"produce": [], "consume": []}
        self.admin = False
        for scope in scopes:
            match = _SCOPE.fullmatch(scope)
            if match is None or (match[2] and set("*.").isdisjoint(match[2])):
                raise ValueError(
                    f"{scope!r} is no scope, expected produce:STREAM.TOPIC, consume:STREAM.TOPIC (* allowed) or admin"
                )
            if match[1] is None:
                self.admin = True
            else:
                patterns[match[1]].append(match[2])
        all_patterns = [*patterns["produce"], *patterns["consume"]]
        self._topics = {
            Right.PRODUCE: _any_of(patterns["produce"]),
            Right.CONSUME: _any_of(patterns["consume"]),
            Right.SEE: _any_of(all_patterns),
        }
        self._streams = _any_of(beginning for glob in all_patterns for beginning in _beginnings(glob))

    def permit(self, right: Right, stream: str, topic: str | None) -> bool:
        """Whether these scopes give the right on a topic, or on a stream as such (`topic` None)."""
        if self.admin or right is Right.ANY:
            return True
        if right is Right.ADMIN:
            return False
        return self.sees_stream(stream) if topic is None else self._on_topic(right, stream, topic)

    @property
    def sees_all(self) -> bool:
        """Whether nothing is kept from these scopes."""
        return self.admin

    @property
    def readable(self) -> "Readable":
        """What of the log these scopes may read."""
        return Readable(self)

    def sees_stream(self, stream: str) -> bool:
        """Whether a topic of this stream could be in reach of a scope."""
        return self.admin or self._streams.fullmatch(f"{stream}.") is not None

    def sees_topic(self, stream: str, topic: str) -> bool:
        """Whether a scope reaches this topic."""
        return self.admin or self._on_topic(Right.SEE, stream, topic)

    def _on_topic(self, right: Right, stream: str, topic: str) -> bool:
        return self._topics[right].fullmatch(f"{stream}.{topic}") is not None


class Readable:
    """A sight of the topics that may be read, where `Scopes` sees all that a scope reaches."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes

    @property
    def sees_all(self) -> bool:
        return self._scopes.admin

    def sees_stream(self, stream: str) -> bool:
        return self._scopes.sees_stream(stream)

    def sees_topic(self, stream: str, topic: str) -> bool:
        return self._scopes.permit(Right.CONSUME, stream, topic)


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    """Matches what one of the globs matches; `translate` sees to it that no text makes that slow."""
    return re.compile("|".join(map(translate, sorted(set(globs)))) or r"(?!)")


def _beginnings(glob: str) -> list[str]:
    """Globs that match each `stream.` with which a match of the glob can begin: cut after each star and dot."""
    return [glob[: position + 1] for position, char in enumerate(glob) if char in "*."]


NO_SCOPES = Scopes([])
ALL_SCOPES = Scopes(["admin"])
