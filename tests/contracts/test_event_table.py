"""The index's table, the same in both databases: one row an id, bounds, and texts that can't be indexed as they are."""

import msgspec
import pytest
from databases import open_database, row
from sqlalchemy import text

from app.database_url import parse_database_url
from app.event_index import EventQuery
from app.read_models.database import DatabaseAway, postgres_database
from app.read_models.events import EventTable, Keep
from app.read_models.progress import Progress
from app.read_models.records import key_of, row_of
from app.record import Record

A, B = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))


@pytest.fixture
def database(database_url):
    with open_database(database_url) as database:
        yield database


def test_an_id_is_one_row_and_the_first_one_stays(database):
    table = EventTable(database, Keep(0, 0))
    table.apply([row(A, value=b"1"), row(A, value=b"2")], {("s.t", 0): Progress(2, 7)}, 0)
    table.apply([row(A, value=b"3")], {("s.t", 0): Progress(3, 8)}, 0)
    assert table.get(A, None) == b"1"
    assert len(table.find(EventQuery(), None)) == 1
    assert table.positions() == {("s.t", 0): Progress(3, 8)}


def test_what_cannot_be_written_moves_no_position(database):
    table = EventTable(database, Keep(0, 0))
    with pytest.raises(DatabaseAway):
        table.apply([row(A), row(B, event_type=None)], {("s.t", 0): Progress(2, 7)}, 0)
    assert (table.get(A, None), table.positions()) == (None, {})


def test_the_oldest_by_their_records_go_first(database):
    table = EventTable(database, Keep(events=2, age_ms=0))
    table.apply([row(at=9, recorded_ms=1), row(A, at=5, recorded_ms=3), row(B, at=1, recorded_ms=2)], {}, 0)
    assert [found.place.id for found in table.find(EventQuery(), None)] == [B, A]


def test_too_old_ones_go(database):
    table = EventTable(database, Keep(events=0, age_ms=10))
    table.apply([row(A, recorded_ms=89), row(B, recorded_ms=90)], {}, 100)
    assert (table.get(A, None), table.get(B, None)) == (None, b"{}")


def test_other_topics_are_not_shown(database):
    table = EventTable(database, Keep(0, 0))
    table.apply([row(A), row(B, topic="s.other")], {}, 0)
    assert [found.place.id for found in table.find(EventQuery(), ["s.other"])] == [B]
    assert table.find(EventQuery(), []) == []
    assert table.get(A, ["s.other"]) is None


def test_a_topic_that_goes_takes_its_own_along(database):
    table = EventTable(database, Keep(0, 0))
    table.apply([row(A), row(B, topic="s.other")], {("s.t", 0): Progress(1, 1), ("s.other", 0): Progress(1, 1)}, 0)
    table.forget("s.t")
    assert (table.get(A, None), table.get(B, None)) == (None, b"{}")
    assert set(table.positions()) == {("s.other", 0)}


def test_what_stands_in_another_topic_stays_with_that_one(database):
    table = EventTable(database, Keep(0, 0))
    both, late = (f"00000000-0000-4000-8000-00000000001{n}" for n in (1, 2))
    table.apply([row(both), row(A), row(both, topic="s.b"), row(both, topic="s.c"), row(B, topic="s.b")], {}, 0)
    table.apply([row(late)], {}, 0)
    table.apply([row(late, topic="s.c"), row(late, topic="s.c"), row(late)], {}, 0)
    for gone, left in {"s.t": {both, late, B}, "s.b": {both, late}, "s.x": {both, late}, "s.c": set()}.items():
        table.forget(gone)
        assert {found.place.id for found in table.find(EventQuery(), None)} == left
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM event_index_copies")).scalar_one() == 0


def test_what_goes_takes_its_other_places_along(database):
    table = EventTable(database, Keep(events=0, age_ms=10))
    table.apply([row(A, recorded_ms=5), row(A, topic="s.b", recorded_ms=5)], {}, 10)
    table.apply([], {}, 100)
    table.apply([row(A, recorded_ms=95)], {}, 100)
    table.forget("s.t")
    assert table.get(A, None) is None


def test_pages_of_several_topics_are_in_one_order(database):
    table = EventTable(database, Keep(0, 0))
    table.apply([row(at=at, topic=f"s.{at % 3}") for at in range(30)], {}, 0)
    for descending in (False, True):
        seen, after = [], None
        while found := table.find(EventQuery(after=after, limit=4, descending=descending), ["s.0", "s.1"])[:4]:
            seen += [event.place.at for event in found]
            after = found[-1].place
        assert seen == sorted((at for at in range(30) if at % 3 < 2), reverse=descending)


@pytest.mark.parametrize("odd", ["a\x00b", "x" * 5000, "é" * 256, "\U0001f600" * 300])
def test_texts_that_no_database_indexes_as_they_are_find_their_events(database, odd):
    table = EventTable(database, Keep(0, 0))
    members = {"event_type": odd, "source": odd, "aggregate_id": odd, "aggregate_type": odd, "correlation_id": odd}
    value = msgspec.json.encode({"id": A} | members)
    table.apply([row_of("s.t", Record(0, 0, None, value)), row(event_type=key_of(odd[:-1]))], {}, 0)
    for name, asked in members.items():
        assert [found.value for found in table.find(EventQuery(**{name: asked.lower()}), None)] == [value], name
    assert len(table.count(EventQuery(), "day", None)) == 2


def test_counts_are_of_the_topics_asked_for(database):
    table = EventTable(database, Keep(0, 0))
    hour = 3_600_000_000
    table.apply([row(at=-1), row(at=0), row(at=hour - 1), row(at=hour, topic="s.other")], {}, 0)
    assert [(c.start, c.number) for c in table.count(EventQuery(), "hour", None)] == [(-hour, 1), (0, 2), (hour, 1)]
    assert [(c.start, c.number) for c in table.count(EventQuery(end=0), "hour", ["s.t"])] == [(-hour, 1), (0, 1)]
    assert table.count(EventQuery(event_type="nobody"), "hour", None) == []


def test_tables_of_another_version_are_made_anew_and_of_this_one_are_kept(database):
    table = EventTable(database, Keep(0, 0))
    table.apply([row(A)], {("s.t", 0): Progress(1, 1)}, 0)
    table.prepare()
    assert table.get(A, None) == b"{}"
    with database.begin() as connection:
        connection.execute(text("UPDATE event_index_format SET version = 0"))
    table.prepare()
    assert (table.get(A, None), table.positions()) == (None, {})


def test_a_database_that_can_not_hold_every_text_is_refused(postgres):
    postgres.sql("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    with pytest.raises(DatabaseAway) as refused, open_database(f"{postgres.address}/latin"):
        pass
    assert "LATIN1" in refused.value.reason


def test_a_question_may_take_its_time_and_what_is_written_may_take_any(postgres):
    with open_database(postgres.new_database()) as database:
        with database.read() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "1min"
        with database.begin() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"


def test_a_server_that_is_away_says_so_without_the_password(postgres):
    with open_database(postgres.new_database()) as there:
        assert there.dialect.name == "postgresql"
    for url, reason in {
        "postgresql://postgres:canary-f3b1@127.0.0.1:1/x": "refused",
        f"postgresql://postgres:canary-f3b1@127.0.0.1:{postgres.port}/x": "password authentication failed",
        f"{postgres.address}/nowhere": "does not exist",
        f"postgresql://postgres@127.0.0.1:{postgres.port}/x?password=canary-f3b1": "password authentication failed",
    }.items():
        with pytest.raises(DatabaseAway) as away, postgres_database(parse_database_url(url), connections=1).read():
            pass
        assert reason in away.value.reason
        assert "canary" not in f"{away.value.reason} {away.value.message}"
