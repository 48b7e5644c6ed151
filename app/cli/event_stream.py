"""Server-sent events out of bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class EventStream:
    """What has come of one feed. `last_id` is what to go on behind; it outlives a connection."""

    last_id: str | None = None
    _rest: bytes = b""
    _id: str | None = None
    _kind: str = "message"
    _data: list[bytes] = field(default_factory=list)

    def begin(self) -> None:
        """A new connection: what was half there is none."""
        self._rest, self._id, self._kind, self._data = b"", self.last_id, "message", []

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The events that are whole with this, each as its kind and its data. They end their lines by LF."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                self._read(line)
                continue
            self.last_id = self._id
            if self._data:
                yield self._kind, b"\n".join(self._data)
            self._kind, self._data = "message", []

    def _read(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._kind = value.decode()
            case b"id":
                self._id = value.decode()
            case _:
                pass  # a comment, or a field of which we know nothing
