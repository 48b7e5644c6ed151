"""The index's table: one row an id, bounds, and statements that look up what they ask for."""

import itertools
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from app.event_index import EventQuery, Place
from app.read_models.events import EventTable, Keep, Progress, select_events
from app.read_models.tables import open_database

A, B = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))


def row(event_id=None, *, at=0, recorded_ms=0, **columns):
    optional = dict.fromkeys(("aggregate_id", "aggregate_type", "version", "correlation_id", "source"))
    fixed = {"id": event_id or str(uuid.uuid4()), "at": at, "recorded_ms": recorded_ms, "value": b"{}"}
    return fixed | {"event_type": "t", "topic": "s.t"} | optional | columns


@pytest.fixture
def engine(tmp_path):
    engine = open_database(tmp_path / "views.db")
    yield engine
    engine.dispose()


FILTERS = {
    "event_type": "t",
    "start": 1,
    "end": 1,
    "aggregate_id": "a",
    "aggregate_type": "a",
    "correlation_id": A,
    "source": "s",
    "after": Place(1, A),
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("names", [(), *itertools.combinations(FILTERS, 1), *itertools.combinations(FILTERS, 2)])
def test_no_filter_reads_the_table_from_end_to_end_or_sorts_it(engine, names, descending):
    query = EventQuery(descending=descending, **{name: FILTERS[name] for name in names})
    statement = select_events(query, None).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        plan = [step.detail for step in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert not [step for step in plan if "B-TREE" in step], plan
    wanted = "SEARCH events USING INDEX" if names else "SCAN events USING INDEX events_by_time"
    assert plan[0].startswith(wanted), plan


def test_an_id_is_one_row_and_the_first_one_stays(engine):
    table = EventTable(engine, Keep(0, 0))
    table.apply([row(A, value=b"1"), row(A, value=b"2")], {("s.t", 0): Progress(2, 7)}, 0)
    table.apply([row(A, value=b"3")], {("s.t", 0): Progress(3, 8)}, 0)
    assert table.get(A, None) == b"1"
    assert len(table.find(EventQuery(), None)) == 1
    assert table.positions() == {("s.t", 0): Progress(3, 8)}


def test_what_cannot_be_written_moves_no_position(engine):
    table = EventTable(engine, Keep(0, 0))
    with pytest.raises(Exception, match="NOT NULL"):
        table.apply([row(A), row(B, event_type=None)], {("s.t", 0): Progress(2, 7)}, 0)
    assert (table.get(A, None), table.positions()) == (None, {})


def test_the_oldest_by_their_records_go_first(engine):
    table = EventTable(engine, Keep(events=2, age_ms=0))
    table.apply([row(at=9, recorded_ms=1), row(A, at=5, recorded_ms=3), row(B, at=1, recorded_ms=2)], {}, 0)
    assert [found.place.id for found in table.find(EventQuery(), None)] == [B, A]


def test_too_old_ones_go(engine):
    table = EventTable(engine, Keep(events=0, age_ms=10))
    table.apply([row(A, recorded_ms=89), row(B, recorded_ms=90)], {}, 100)
    assert (table.get(A, None), table.get(B, None)) == (None, b"{}")


def test_other_topics_are_not_shown(engine):
    table = EventTable(engine, Keep(0, 0))
    table.apply([row(A), row(B, topic="s.other")], {}, 0)
    assert [found.place.id for found in table.find(EventQuery(), ["s.other"])] == [B]
    assert table.find(EventQuery(), []) == []
    assert table.get(A, ["s.other"]) is None


def test_a_topic_that_goes_takes_its_own_along(engine):
    table = EventTable(engine, Keep(0, 0))
    table.apply([row(A), row(B, topic="s.other")], {("s.t", 0): Progress(1, 1), ("s.other", 0): Progress(1, 1)}, 0)
    table.forget("s.t")
    assert (table.get(A, None), table.get(B, None)) == (None, b"{}")
    assert set(table.positions()) == {("s.other", 0)}
