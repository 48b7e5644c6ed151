"""Events as clients write them."""

import uuid
from typing import Any

CANARY = "canary-f3b1"
"""In every key, password and payload of the tests' gateways: found in what a gateway logs, it fails the run."""

USER_ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c02"
ORDER_ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c04"


def generic(data: Any = CANARY, **members) -> dict[str, Any]:
    return {"event_type": "test.event", "payload": {"type": "Generic", "data": data}, **members}


def with_id(data: Any = None) -> dict[str, Any]:
    return generic(data, id=str(uuid.uuid4()))


def user(action: str = "Created", **data) -> dict[str, Any]:
    base = {"user_id": USER_ID} | ({"email": "ada@example.com", "name": "Ada"} if action == "Created" else {})
    return {"event_type": "user.event", "payload": {"type": "User", "data": {"action": action} | base | data}}


def order(**data) -> dict[str, Any]:
    base = {
        "action": "Created",
        "order_id": ORDER_ID,
        "user_id": USER_ID,
        "items": [{"product_id": "SKU-1", "quantity": 3, "unit_price": 19.99}],
        "total_amount": 59.97,
    }
    return {"event_type": "order.created", "payload": {"type": "Order", "data": base | data}}
