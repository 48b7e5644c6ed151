"""What pydantic refused, in words for a client: which field, what to change. No names of our classes or types."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.errors import ValidationFailed
from app.event import UUID_PATTERN

T = TypeVar("T")

_TAGS = {"User", "Order", "Generic", "Created", "Updated", "Deleted", "LoggedIn", "Cancelled", "Shipped"}
_OBJECT = "must be a JSON object"
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": "must be a list",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "bool_parsing": "must be true or false",
    "decimal_type": "must be a decimal number",
}


def checked(validate: Callable[[Any], T], value: Any, *, within: str = "") -> T:
    """What `validate` makes of the value. Raises ValidationFailed with every refused field, below `within`."""
    try:
        return validate(value)
    except ValidationError as error:
        raise refusal(error, within=within) from None


def refusal(error: ValidationError, *, within: str = "") -> ValidationFailed:
    """All that was refused, as one error: the first in its sentence, each in the details."""
    details = [
        {"field": _field(item["loc"], within), "message": _sentence(item)} for item in error.errors(include_url=False)
    ]
    first = details[0]
    return ValidationFailed(f"{first['field'] or 'the value'}: {first['message']}", details=details)


def _field(loc: Iterable[int | str], within: str) -> str:
    """The path to a field as the client wrote it: without the tags by which unions are told apart."""
    parts = [within] if within else []
    previous = ""
    for part in loc:
        if not (part in _TAGS and previous in ("payload", "data")):
            parts.append(str(part))
        previous = str(part)
    return ".".join(parts)


def _sentence(item: ErrorDetails) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "string_pattern_mismatch" and context.get("pattern") == UUID_PATTERN:
        return "must be a UUID such as 7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01"
    if kind == "union_tag_invalid":
        return f"{context['discriminator']} must be one of {context['expected_tags']}, not '{context['tag']}'"
    if kind == "union_tag_not_found":
        return f"{context['discriminator']} is missing"
    return _WORDS.get(kind) or item["msg"].replace("Input should be", "must be").replace(
        "String should have", "must have"
    )
