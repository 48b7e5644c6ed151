"""What scopes give, and which can't be read."""

import time

import pytest

from app.door.scopes import ALL_SCOPES, NO_SCOPES, Right, Scopes

PRODUCE, CONSUME, SEE, ADMIN = Right.PRODUCE, Right.CONSUME, Right.SEE, Right.ADMIN


@pytest.mark.parametrize(
    ("scopes", "right", "stream", "topic", "given"),
    [
        (["produce:orders.*"], PRODUCE, "orders", "created", True),
        (["produce:orders.*"], PRODUCE, "orders", "a.b.c", True),
        (["produce:orders.*"], PRODUCE, "orders2", "created", False),
        (["produce:orders.*"], PRODUCE, "ordersX", "x", False),
        (["produce:orders.*"], CONSUME, "orders", "created", False),
        (["consume:orders.*"], PRODUCE, "orders", "created", False),
        (["consume:orders.created"], CONSUME, "orders", "created", True),
        (["consume:orders.created"], CONSUME, "orders", "Created", False),
        (["consume:orders.created"], CONSUME, "orders", "created2", False),
        (["consume:orders.created"], CONSUME, "orders", "created\n", False),
        (["consume:*.audit"], CONSUME, "a", "audit", True),
        (["consume:*.audit"], CONSUME, "a", "b.audit", True),
        (["consume:*"], CONSUME, "-", "bare", True),
        (["consume:-.bare"], CONSUME, "-", "bare", True),
        (["consume:b*.*"], CONSUME, "-", "bare", False),
        (["produce:a.x", "produce:b.*"], PRODUCE, "b", "y", True),
        (["produce:a.x", "consume:b.*"], SEE, "a", "x", True),
        (["produce:a.x", "consume:b.*"], SEE, "a", "y", False),
        (["produce:*", "consume:*"], ADMIN, "a", "x", False),
        (["admin"], ADMIN, "a", "x", True),
        (["admin"], PRODUCE, "a", "x", True),
        ([], Right.ANY, "a", None, True),
    ],
)
def test_a_right_on_a_topic(scopes, right, stream, topic, given):
    assert Scopes(scopes).permit(right, stream, topic) is given


@pytest.mark.parametrize(
    ("scope", "seen", "hidden"),
    [
        ("produce:orders.*", ["orders"], ["order", "orders2", "orders-eu", ""]),
        ("consume:orders.created", ["orders"], ["orders2", "created"]),
        ("consume:o*.created", ["orders", "o"], ["xo"]),
        ("consume:o*", ["orders"], ["xo"]),
        ("consume:*.audit", ["anything", "-"], []),
        ("consume:*ers.x", ["orders", "ordinary"], []),  # `ordinary.ers.x` is a topic as well
        ("consume:-.bare", ["-"], ["bare"]),
    ],
)
def test_a_stream_is_seen_when_one_of_its_topics_could_be(scope, seen, hidden):
    scopes = Scopes([scope])
    assert [name for name in seen + hidden if scopes.permit(SEE, name, None)] == seen
    assert not scopes.permit(ADMIN, seen[0], None)


@pytest.mark.parametrize(
    "scope",
    ["", "Admin", "admin:x", "produce", "produce:", "produce:a b", "read:a.b", "produce:a.[bc]", "produce:a.?",
     "produce:orders", "consume:" + "x." * 150, "admin\n", "produce:a.b\n"],
)  # fmt: skip
def test_what_is_no_scope_is_refused(scope):
    with pytest.raises(ValueError, match="is no scope"):
        Scopes([scope])


def test_all_and_nothing():
    assert ALL_SCOPES.sees_all
    assert ALL_SCOPES.sees_stream("x")
    assert not NO_SCOPES.sees_all
    assert not NO_SCOPES.sees_topic("x", "y")
    assert not NO_SCOPES.sees_stream("x")


def test_many_stars_are_not_slow():
    """With a backtracking match this would take for ever."""
    scopes = Scopes(["produce:" + "*a" * 60 + "*b"])
    started = time.perf_counter()
    assert not scopes.permit(PRODUCE, "a" * 100, "a" * 140)
    assert time.perf_counter() - started < 10
