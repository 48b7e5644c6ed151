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
    return ["", "x" * 201, "a b", "ü"]


@pytest.mark.parametrize(("path", "method", "parameter"), list(parameters()))
async def test_what_lies_beyond_a_parameter_s_bounds_is_refused(client, path, method, parameter):
    topic = path.format(stream="sample-stream", topic="events", group="g")
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
