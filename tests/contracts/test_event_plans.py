"""No question that `/events` takes makes a database read its table from end to end."""

import itertools

import pytest
from databases import open_database, row

from app.event_index import EventQuery, Place
from app.read_models.events import EventTable, Keep
from app.read_models.statements import count_events, select_events

ID = "00000000-0000-4000-8000-000000000001"
FILTERS = {
    "event_type": "nobody's",
    "start": 1_000_000,
    "end": 9,
    "aggregate_id": "nobody's",
    "aggregate_type": "nobody's",
    "from_version": 1_000_000,
    "to_version": -1,
    "correlation_id": ID,
    "source": "nobody's",
    "after": Place(1_000_000, ID),
}
ROWS = 20_000
FEW = 10


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def plan(request, tmp_path_factory):
    """What a database would do, as (kind, steps), over enough events to make it think."""
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('plans')}/views.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
    with open_database(url) as database:
        EventTable(database, Keep(0, 0)).apply([_row(n) for n in range(ROWS)], {}, 0)
        with database.begin() as connection:
            connection.exec_driver_sql("ANALYZE" if request.param == "postgresql" else "SELECT 1")
        yield lambda statement: (request.param, _steps(database, statement))


def _row(n):
    names = ("event_type", "aggregate_id", "aggregate_type", "source", "correlation_id")
    return row(at=n * 10, topic=f"s.t{n % 5}", version=n % 100, **{name: f"{name}-{n % 50}" for name in names})


def _steps(database, statement):
    compiled = statement.compile(dialect=database.dialect, compile_kwargs={"render_postcompile": True})
    with database.read() as connection:
        if database.dialect.name == "sqlite":
            values = tuple(compiled.params[name] for name in compiled.positiontup)
            return [step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]
        told = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params).scalar_one()
    return list(_nodes(told[0]["Plan"]))


def _nodes(node):
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def looked_up(kind, steps, *, sorts=False):
    """Whether each reading of the table is by an index, from one place of it to another."""
    if kind == "sqlite":
        reads = [step for step in steps if "event_index" in step]
        sorted_ = any("B-TREE" in step for step in steps)
        return reads and all(step.startswith("SEARCH") for step in reads) and (sorts or not sorted_)
    reads = [step for step in steps if "Scan" in step["Node Type"] and step["Node Type"] != "Subquery Scan"]
    return reads and all("Index Cond" in step or step["Node Type"] == "Bitmap Heap Scan" for step in reads)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("topics", [None, ["s.nobody"], ["s.nobody", "s.nothing"]])
def test_every_filter_and_every_two_of_them_look_up_what_they_ask_for(plan, topics, descending):
    for names in (*itertools.combinations(FILTERS, 1), *itertools.combinations(FILTERS, 2)):
        query = EventQuery(descending=descending, **{name: FILTERS[name] for name in names})
        kind, steps = plan(select_events(query, topics))
        several = topics is not None and len(topics) > 1
        assert looked_up(kind, steps, sorts=several or "version" in "".join(names)), (names, steps)


@pytest.mark.parametrize("topics", [["s.t1"], ["s.t1", "s.t2"]])
def test_topics_alone_are_looked_up(plan, topics):
    kind, steps = plan(select_events(EventQuery(), topics))
    assert looked_up(kind, steps, sorts=len(topics) > 1), steps


def test_the_first_events_of_all_come_out_of_an_index_in_order(plan):
    kind, steps = plan(select_events(EventQuery(), None))
    if kind == "sqlite":
        assert steps == ["SCAN event_index USING INDEX event_index_by_at"]
    else:
        assert [step.get("Index Name") for step in steps] == [None, "event_index_by_at"]


@pytest.mark.parametrize("topics", [None, ["s.nobody"], ["s.nobody", "s.nothing"]])
@pytest.mark.parametrize("names", [("start",), ("end",), ("start", "event_type"), ("event_type",)])
def test_counts_look_up_their_range(plan, names, topics):
    kind, steps = plan(count_events(EventQuery(**{name: FILTERS[name] for name in names}), "hour", topics))
    assert looked_up(kind, steps, sorts=True), steps


def test_counts_of_everything_read_an_index_and_no_event(plan):
    kind, steps = plan(count_events(EventQuery(), "hour", None))
    if kind == "sqlite":
        assert "SCAN event_index USING COVERING INDEX event_index_by_at" in steps
    else:
        assert any(step["Node Type"] in ("Index Only Scan", "Seq Scan") for step in steps)
