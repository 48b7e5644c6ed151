"""The OpenAPI document: valid, complete, and what the gateway really does."""

import pytest
from document import DOCUMENT
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from samples import generic

from app.api.openapi.operations import OPERATIONS


async def test_the_document_is_served_and_valid(client):
    answer = await client.get("/openapi.json")
    assert answer.body == DOCUMENT
    validate(answer.body, cls=OpenAPIV31SpecValidator)


async def test_who_has_it_already_is_told_so(client):
    tag = (await client.get("/openapi.json")).headers["ETag"]
    again = await client.get("/openapi.json", headers={"If-None-Match": tag})
    assert (again.status, again.headers["ETag"]) == (304, tag)
    assert (await client.get("/openapi.json", headers={"If-None-Match": '"other"'})).status == 200


async def test_every_route_is_described_and_every_description_is_a_route(client):
    routes = {(route.method, route.resource.canonical) for route in client.gateway.app.router.routes()}
    assert {route for route in routes if route[0] != "HEAD"} == set(OPERATIONS)


def test_every_operation_says_what_it_asks_of_a_key():
    assert DOCUMENT["paths"]["/messages"]["post"]["security"] == [{"ApiKey": ["produce"]}, {"Bearer": ["produce"]}]
    assert DOCUMENT["paths"]["/streams"]["post"]["security"] == [{"ApiKey": ["admin"]}, {"Bearer": ["admin"]}]
    assert DOCUMENT["paths"]["/stats"]["get"]["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert DOCUMENT["paths"]["/health"]["get"]["security"][0] == {}


def test_operations_have_names_of_their_own():
    names = [op["operationId"] for item in DOCUMENT["paths"].values() for op in item.values()]
    assert len(names) == len(set(names))


@pytest.fixture
async def with_database(start, tmp_path):
    async with start(DATABASE_URL=f"sqlite:///{tmp_path}/views.db") as client:
        yield client


def parameters():
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for parameter in operation["parameters"]:
                if parameter.get("in") == "query":
                    yield pytest.param(path, method, parameter, id=f"{method} {path} {parameter['name']}")


def beyond(schema: dict) -> list[str]:
    """Values just outside of what the schema takes."""
    bounds = next((kind for kind in schema.get("anyOf", [schema]) if kind["type"] != "null"), schema)
    if bounds["type"] == "integer":
        found = [str(bounds["minimum"] - 1), "1.5", "", "x", "+1"]
        if "maximum" in bounds:
            found.append(str(bounds["maximum"] + 1))
        if "exclusiveMaximum" in bounds:
            found.append(str(bounds["exclusiveMaximum"]))
        return found
    if bounds["type"] == "boolean":
        return ["maybe", "2"]
    if bounds.keys() <= {"type", "title"}:
        return []  # any text
    return ["", "x" * 201, "a b", "ü"]


@pytest.mark.parametrize(("path", "method", "parameter"), list(parameters()))
async def test_what_lies_beyond_a_parameter_s_bounds_is_refused(with_database, path, method, parameter):
    client = with_database
    topic = path.format(stream="sample-stream", topic="events", group="g", event_id="e")
    body = {"to": "earliest"} if method == "put" else {"events": [generic(1)]}
    for value in beyond(parameter["schema"]):
        options = {"json": body} if method in ("put", "post") else {}
        answer = await client(method.upper(), topic, params={parameter["name"]: value}, **options)
        assert answer.status == 400, (parameter["name"], value, answer.body)
        assert answer.body["details"][0]["field"] == parameter["name"]


EXAMPLES = [
    ("/messages", {"event": {"event_type": "custom.event", "payload": {"type": "Generic", "data": {"any": [1.10]}}}}),
    (
        "/messages",
        {
            "event": {
                "id": "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c03",
                "event_type": "order.created",
                "timestamp": "2026-01-15T10:31:00Z",
                "payload": {
                    "type": "Order",
                    "data": {
                        "action": "Created",
                        "order_id": "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c04",
                        "user_id": "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c02",
                        "items": [{"product_id": "a", "quantity": 3, "unit_price": 19.99}],
                        "total_amount": "59.97",
                    },
                },
            },
            "partition_key": "user-ada",
        },
    ),
    ("/messages", {"event": {"event_type": "t", "timestamp": 1767225600, "payload": {"type": "Generic", "data": 1}}}),
    ("/messages/batch", {"events": [generic(1), generic(2)]}),
    ("/messages/batch", {"messages": [{"event": generic(1), "partition_id": 0}], "partition_key": "k"}),
    ("/streams", {"name": "my-stream"}),
    ("/streams/sample-stream/topics", {"name": "my-topic", "partitions": 3, "configs": {"segment.ms": 1000}}),
]


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
async def test_requests_that_work_are_valid_by_the_document(client, path, body):
    template = path.replace("sample-stream", "{stream}")
    schema = DOCUMENT["paths"][template]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(body)
    assert (await client.post(path, body)).status == 201


def request_schema(path: str, method: str) -> dict:
    content = DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]
    return {**content["schema"], "components": DOCUMENT["components"]}


async def test_every_body_has_an_example_that_works(with_database):
    client = with_database
    await client.post("/streams", {"name": "s"})
    await client.post("/streams/s/topics", {"name": "t"})
    for (method, path), operation in OPERATIONS.items():
        if operation.body is None:
            continue
        Draft202012Validator(request_schema(path, method.lower())).validate(operation.example)
        answer = await client(method, path.format(stream="s", topic="t"), json=operation.example)
        assert answer.status in (200, 201), (method, path, answer.body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/messages/batch", {}),
        ("post", "/messages/batch", {"events": []}),
        ("post", "/messages/batch", {"messages": []}),
        ("post", "/messages/batch", {"events": [generic(1)], "messages": [{"event": generic(1)}]}),
        ("put", "/streams/{stream}/topics/{topic}/offsets", {}),
        ("put", "/streams/{stream}/topics/{topic}/offsets", {"partitions": []}),
        ("put", "/streams/{stream}/topics/{topic}/offsets", {"to": "latest", "partitions": [
            {"partition_id": 0, "offset": 0}]}),
    ],
)  # fmt: skip
async def test_what_the_parser_refuses_is_not_valid_by_the_document(client, method, path, body):
    assert not Draft202012Validator(request_schema(path, method)).is_valid(body)
    answer = await client(method.upper(), path.format(stream="sample-stream", topic="events"), json=body)
    assert answer.status == 400


@pytest.mark.parametrize(("beyond", "kept"), [(-1, False), (0, True)])
async def test_the_bounds_of_a_wished_timeout_are_those_that_hold(client, beyond, kept):
    bounds = DOCUMENT["components"]["parameters"]["RequestTimeout"]["schema"]
    for asked in (bounds["minimum"] + beyond, bounds["maximum"] - beyond):
        answer = await client.get("/stats", headers={"X-Request-Timeout": str(asked)})
        effective = int(answer.headers["X-Effective-Timeout"])
        assert effective == (min(asked, 30_000) if kept else 30_000)


async def test_declared_headers_are_those_that_answers_have(client):
    answers = DOCUMENT["paths"]["/openapi.json"]["get"]["responses"]
    headers = {"X-Request-Timeout": "500", "Accept-Encoding": "gzip"}
    answer = await client.get("/openapi.json", headers=headers)
    assert all(name in answer.headers for name in answers["200"]["headers"])
    assert "ETag" in answers["304"]["headers"]


def test_no_answer_that_refuses_is_said_to_be_done():
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                assert status < "400" or answer.get("description") != "Done."
