"""Events to send, out of files: NDJSON line by line, any other JSON as a whole."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from json import JSONDecoder
from typing import IO

import msgspec

from app.cli.client import Trouble
from app.exits import EX_DATAERR

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_listed = msgspec.json.Decoder(list[msgspec.Raw]).decode
_check = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode
_value = JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
_IDS = ("id", "event_id")


@dataclass(frozen=True, slots=True)
class Item:
    """A message as the gateway takes it, and where it stood. What was written there is kept to the digit."""

    message: bytes
    place: str


def read_items(file: IO[bytes], name: str) -> Iterator[Item]:
    """Each JSON value is an event, a message (it has a member `event`), or an array of these.

    Raises Trouble, which names the line.
    """
    begun = False
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        _check_utf8(line, place)
        if _is_json(line):
            begun = True
            yield from _items(line, place)
        elif begun:
            raise _trouble(place, "is not JSON")
        else:
            yield from _written_freely(chain([line], file), name, number)


def _written_freely(lines: Iterator[bytes], name: str, number: int) -> Iterator[Item]:
    """Values that go over several lines, one after the other."""
    data = b"".join(lines)
    _check_utf8(data, name)
    text = data.decode()
    end = 0
    while (at := _past_space(text, end)) < len(text):
        number += text.count("\n", end, at)
        try:
            _, end = _value(text, at)
        except (ValueError, RecursionError) as error:
            raise _trouble(f"{name}:{number}", f"is not JSON: {error}") from None
        yield from _items(text[at:end].encode(), f"{name}:{number}")
        number += text.count("\n", at, end)


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _check_utf8(data: bytes, place: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise _trouble(place, "is not UTF-8") from None


def _is_json(text: bytes) -> bool:
    try:
        _check(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _items(text: bytes, place: str) -> Iterator[Item]:
    try:
        if text.lstrip().startswith(b"["):
            for number, each in enumerate(_listed(text)):
                yield _item(each, f"{place}[{number}]")
        else:
            yield _item(msgspec.Raw(text), place)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _trouble(place, f"is not JSON: {error}") from None


def _item(raw: msgspec.Raw, place: str) -> Item:
    try:
        members = _members(raw)
    except msgspec.ValidationError:
        raise _trouble(place, "must be a JSON object") from None
    if "event" not in members:
        members = {"event": raw}
    if bytes(members["event"]).lstrip().startswith(b"{"):
        members["event"] = _with_id(members["event"])
    return Item(_encode(members), place)


def _with_id(event: msgspec.Raw) -> msgspec.Raw:
    """An event without an id gets one, by which it can be sent again and still be stored once."""
    members = _members(event)
    if any(bytes(members.get(name, b"null")) != b"null" for name in _IDS):
        return event
    rest = {name: value for name, value in members.items() if name not in _IDS}
    return msgspec.Raw(_encode({"id": str(uuid.uuid4())} | rest))


def _trouble(place: str, what: str) -> Trouble:
    return Trouble(f"{place} {what}", EX_DATAERR)
