"""Answers held to the OpenAPI document: a status it does not declare, or a member it does not know, is an error."""

import copy
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from unittest.mock import Mock

from jsonschema import Draft202012Validator

from app.api.openapi import answers
from app.api.openapi.document import document
from app.api.openapi.operations import OPERATIONS
from app.api.routes import Handlers, rights, routes

DOCUMENT = document(OPERATIONS, rights(routes(Handlers(*[Mock()] * 7))))


def _strict() -> dict[str, Any]:
    """The components, with no other members in answers than those that are declared."""
    components = copy.deepcopy(DOCUMENT["components"])
    for name, schema in components["schemas"].items():
        if hasattr(answers, name) and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return components


COMPONENTS = _strict()
PATHS = {path: re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in DOCUMENT["paths"]}


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    method = "GET" if method == "HEAD" else method
    for template, pattern in PATHS.items():
        if pattern.fullmatch(path) and method.lower() in DOCUMENT["paths"][template]:
            return DOCUMENT["paths"][template][method.lower()]
    return None


@cache
def _validator(operation: str, status: str, content_type: str) -> Draft202012Validator:
    [found] = [op for item in DOCUMENT["paths"].values() for op in item.values() if op["operationId"] == operation]
    response = found["responses"][status]
    if "$ref" in response:
        response = COMPONENTS["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"][content_type]["schema"]
    return Draft202012Validator({**schema, "components": COMPONENTS})


def hold(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Check one answer of the gateway; `body` is parsed where it is JSON."""
    operation = operation_of(method, path)
    if method == "OPTIONS":  # a browser's preflight is no operation of ours
        return
    if operation is None:
        assert status in (400, 401, 404, 405, 429), f"{method} {path} is not in the document"
        return
    assert str(status) in operation["responses"], f"{method} {path} answered {status}, which is not declared: {body}"
    assert headers["X-Request-Id"]
    if not body:
        return
    content_type = headers["Content-Type"].partition(";")[0]
    if content_type == "application/json":
        _validator(operation["operationId"], str(status), content_type).validate(body)
