"""Bytes as choices: sends that are JSON whatever the bytes are, and often events: past the parser, to the checks."""

_UUID = '"7D0C1F52-6f0e-4c1c-9f8e-0d8f3a0b1c02"'
_VALUES = (
    "null", "true", "0", "-0", "1", "1.50", "1e2", "1E400", "12345678901234567890123", "0.1000000000000000055", '""',
    '"a"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"é"', '"1.10"', '" 1"', '"1e2"', '"-1"', "[]", "{}",
    '[{"a":1,"a":2}]', _UUID, '"2026-01-15T10:30:00+02:00"', '"2026-01-15T10:30:00"', '"9999-12-31T23:59:59-23:59"',
    '"a@b"', '"::1"', '"pending"',
)  # fmt: skip
_MEMBERS = (
    "id", "event_id", "event_type", "timestamp", "payload", "data", "correlation_id", "causation_id", "source",
    "aggregate_id", "aggregate_type", "version", "metadata", "other", "event\\u005ftype",
)  # fmt: skip
_ACTIONS = ("Created", "Updated", "Deleted", "LoggedIn", "Cancelled", "Shipped", "Other")
_FIELDS = (
    "user_id", "order_id", "email", "name", "ip_address", "items", "total_amount", "status", "reason",
    "tracking_number", "carrier", "other",
)  # fmt: skip
_BLANKS = ("", "", "", " ", "\n", "\t\r")
_RIGHT = {
    "id": _UUID, "event_id": _UUID, "event_type": '"a.b"', "timestamp": '"2026-01-15T10:30:00Z"',
    "correlation_id": _UUID, "causation_id": _UUID, "source": '"s"', "aggregate_id": '"a"', "aggregate_type": '"t"',
    "version": "3", "metadata": "{}", "user_id": _UUID, "order_id": _UUID, "email": '"a@b"', "name": '"n"',
    "ip_address": '"::1"', "total_amount": "1.50", "status": '"shipped"', "reason": '"r"', "tracking_number": '"t"',
    "carrier": '"c"', "product_id": '"p"', "quantity": "1", "unit_price": "1E+1",
}  # fmt: skip


class Sends:
    """Writes one send's body; each byte is a choice, and where they end the first one is taken."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def body(self) -> bytes:
        rest = ("", ',"partition_key":"k"', ',"partition_id":1', ',"headers":{"x":"y"}', ',"partition_key":null')
        return f'{{"event":{self._event()}{self._one(rest)}}}'.encode("utf-8", "surrogatepass")

    def _event(self) -> str:
        members = [self._member("event_type"), self._named("payload", self._payload())]
        for _ in range(self._next() % 6):
            name = self._one(_MEMBERS)
            members.append(self._named(name, self._payload()) if name in ("payload", "data") else self._member(name))
        return self._object(members)

    def _payload(self) -> str:
        kind = self._one(("Generic", "Order", "User", "Other"))
        data = self._one(_VALUES) if kind == "Generic" else self._data()
        return self._object([self._named("type", f'"{kind}"'), self._named("data", data)])

    def _data(self) -> str:
        action = self._one(_ACTIONS)
        members = [self._named("action", f'"{action}"')]
        fields = _FIELDS[: self._next() % (len(_FIELDS) + 1)]
        members += [self._named(name, self._items()) if name == "items" else self._member(name) for name in fields]
        return self._object(members)

    def _items(self) -> str:
        item = self._object([self._member(name) for name in ("product_id", "quantity", "unit_price")])
        return f"[{','.join([item] * (self._next() % 3))}]"

    def _member(self, name: str) -> str:
        """Mostly with a value that is right for it."""
        right = _RIGHT.get(name)
        return self._named(name, right if right and self._next() % 4 < 3 else self._one(_VALUES))

    def _named(self, name: str, value: str) -> str:
        return f'{self._one(_BLANKS)}"{name}":{self._one(_BLANKS)}{value}'

    def _object(self, members: list[str]) -> str:
        return f"{{{','.join(members)}}}"

    def _one(self, of: tuple[str, ...]) -> str:
        return of[self._next() % len(of)]

    def _next(self) -> int:
        return next(self._choices, 0)
