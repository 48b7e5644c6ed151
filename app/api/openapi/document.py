"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), made of the operations and the models they name."""

import re
from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from app import __version__
from app.api.body import ENCODINGS
from app.api.compression import ENCODERS
from app.api.middleware.deadlines import LEAST_MS, MOST_MS
from app.api.openapi.answers import Error
from app.api.openapi.operations import ANY, EVENTS, TEXT, Operation
from app.api.responses import STATUS, status_of
from app.api.route import Rights
from app.door.scopes import Right
from app.errors import SluiceError

Json = dict[str, Any]

JSON, NDJSON = "application/json", "application/x-ndjson"
_REF = "#/components/schemas/{model}"
_HEADER = "#/components/headers/{name}"
_HEADERS = {
    name: {"$ref": _HEADER.format(name=name)} for name in ("X-Request-Id", "X-Effective-Timeout", "Content-Encoding")
}
_RETRIED = (429, 503)

_KEYS = (
    "A key, where the gateway has any: `gw_<id>_<secret>`, or the one of `API_KEY`. Its scopes say what it may do: "
    "`produce:PATTERN` to send, `consume:PATTERN` to poll and for offsets, `admin` for everything; any key reads what "
    "its scopes reach (`see`)."
)

_PATH_PARAMETERS = {
    "stream": "A stream's name; `-` for topics without one.",
    "topic": "A topic's name in its stream.",
    "event_id": "An event's id.",
    "group": "A consumer group's full name, prefix included.",
}


def document(operations: Mapping[tuple[str, str], Operation], rights: Rights) -> Json:
    """The whole document, for operations and what they ask of a key, by method and path."""
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for (method, path), operation in operations.items():
        paths.setdefault(path, {})[method.lower()] = _operation(operation, path, schemas) | _security(
            operation, rights[method, path]
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice",
            "version": __version__,
            "description": "A gateway between HTTP and an event log.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": _components(schemas),
    }


def _components(schemas: "_Schemas") -> Json:
    return {
        "schemas": schemas.definitions,
        "responses": {_name(status): _error(status) for status in sorted({*STATUS.values()})},
        "headers": _ALL_HEADERS,
        "securitySchemes": {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _KEYS},
            "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
        },
        "parameters": {
            "RequestTimeout": {
                "name": "X-Request-Timeout",
                "in": "header",
                "description": "Milliseconds within which to answer; shortens the gateway's own limit.",
                "schema": {"type": "integer", "minimum": LEAST_MS, "maximum": MOST_MS},
            },
            "ContentEncoding": {
                "name": "Content-Encoding",
                "in": "header",
                "description": "How the body is compressed.",
                "schema": {"enum": ENCODINGS.split(", ")},
            },
        },
    }


_ALL_HEADERS: Json = {
    "X-Request-Id": {
        "description": "The client's own `X-Request-Id`, or a new one. It is in the log, too.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    },
    "X-Effective-Timeout": {
        "description": "Milliseconds that held for this request; only for who sent `X-Request-Timeout`.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_MS},
    },
    "Content-Encoding": {
        "description": "Of answers over a kilobyte to clients that accept one of these.",
        "schema": {"enum": [*ENCODERS]},
    },
    "ETag": {"description": "For `If-None-Match`.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds after which another try is worth it.",
        "schema": {"type": "integer", "minimum": 1},
    },
}


class _Schemas:
    """The schemas of everything that the operations take and answer, with what they refer to."""

    def __init__(self, operations: Mapping[tuple[str, str], Operation]) -> None:
        inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            (_key(kind), "validation", TypeAdapter(kind)) for kind in _taken(operations)
        ]
        outputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            (_key(kind), "serialization", TypeAdapter(kind)) for kind in _answered(operations)
        ]
        self._found, rest = TypeAdapter.json_schemas([*inputs, *outputs], ref_template=_REF)
        self.definitions: Json = rest.get("$defs", {})

    def taken(self, kind: Any) -> Json:
        return self._found[_key(kind), "validation"]

    def answered(self, kind: Any) -> Json:
        return self._found[_key(kind), "serialization"]

    def members(self, kind: Any) -> Json:
        """A model's members, its own name resolved."""
        schema = self.taken(kind)
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        members: Json = schema["properties"]
        return members


def _key(kind: Any) -> str:
    return repr(kind)


def _taken(operations: Mapping[tuple[str, str], Operation]) -> Iterator[Any]:
    kinds = [kind for operation in operations.values() for kind in (operation.body, operation.query) if kind]
    yield from {_key(kind): kind for kind in kinds}.values()


def _answered(operations: Mapping[tuple[str, str], Operation]) -> Iterator[Any]:
    kinds = [
        kind
        for operation in operations.values()
        for kind in operation.answers.values()
        if kind not in (None, TEXT, EVENTS)
    ]
    yield from {_key(kind): kind for kind in [Error, *kinds]}.values()


def _operation(operation: Operation, path: str, schemas: _Schemas) -> Json:
    named = re.findall(r"{(\w+)}", path)
    answers = {str(status): _answer(status, operation, schemas) for status in operation.answers}
    for status in sorted({*ANY, *operation.errors} - {*operation.answers}):
        answers[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    found: Json = {
        "operationId": operation.id + ("Of" if "topic" in named and path.count("/messages") else ""),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *map(_path_parameter, named),
            *_query(operation, schemas),
            *starmap(_header_parameter, operation.headers.items()),
            _TIMEOUT,
        ],
        "responses": answers,
    }
    if operation.body is not None:
        found["parameters"].append(_ENCODING)
        content: Json = {JSON: {"schema": schemas.taken(operation.body), "example": operation.example}}
        if operation.lines:
            description = "One event or message a line; a line with a member `event` is a message."
            content[NDJSON] = {"schema": {"type": "string", "description": description}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _security(operation: Operation, right: Right) -> Json:
    """Any key does where no right is named, as do roles for schemes that know none (OpenAPI 3.1.0, 4.8.30)."""
    roles = [] if right is Right.ANY else [right.value]
    keys: list[Json] = [{"ApiKey": roles}, {"Bearer": roles}]
    return {"security": [{}, *keys] if operation.open else keys}


_TIMEOUT = {"$ref": "#/components/parameters/RequestTimeout"}
_ENCODING = {"$ref": "#/components/parameters/ContentEncoding"}


def _path_parameter(name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_PARAMETERS[name],
        "schema": {"type": "string", "minLength": 1},
    }


def _header_parameter(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def _query(operation: Operation, schemas: _Schemas) -> list[Json]:
    if operation.query is None:
        return []
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in schemas.members(operation.query).items()
    ]


def _answer(status: int, operation: Operation, schemas: _Schemas) -> Json:
    kind = operation.answers[status]
    described = "The answer." if kind is not None else "Done." if status < 400 else "Not now; without a body."
    tag = {"ETag": {"$ref": _HEADER.format(name="ETag")}} if operation.tagged else {}
    answer: Json = {"description": described, "headers": _HEADERS | tag}
    if kind == TEXT:
        answer["content"] = {
            TEXT: {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        }
    elif kind == EVENTS:
        answer["content"] = {EVENTS: {"schema": {"type": "string"}}}
    elif kind is not None:
        answer["content"] = {JSON: {"schema": schemas.answered(kind)}}
    return answer


def _error(status: int) -> Json:
    headers: Json = dict(_HEADERS)
    if status in _RETRIED:
        headers["Retry-After"] = {"$ref": _HEADER.format(name="Retry-After")}
    if status == 401:
        headers["WWW-Authenticate"] = {"description": "How to become known.", "schema": {"const": "API-Key"}}
    return {
        "description": f"One of these errors: {', '.join(f'`{code}`' for code in _codes(status))}.",
        "headers": headers,
        "content": {JSON: {"schema": {"$ref": _REF.format(model="Error")}}},
    }


def _codes(status: int) -> list[str]:
    """The codes of all errors that are answered with this status."""
    return sorted({kind.code for kind in _errors(SluiceError) if status_of(kind("")) == status})


def _errors(kind: type[SluiceError]) -> Iterator[type[SluiceError]]:
    yield kind
    for more in kind.__subclasses__():
        yield from _errors(more)


def _name(status: int) -> str:
    return f"Error{status}"
