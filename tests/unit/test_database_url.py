"""`DATABASE_URL`: what it means, and that a mistake in it is not repeated to anybody."""

from pathlib import Path

import pytest
from samples import CANARY

from app.broker_url import SqliteUrl
from app.database_url import PostgresUrl, parse_database_url
from app.errors import ConfigError
from app.read_models.database import postgres_database
from app.settings import load_settings


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("off", None),
        ("sqlite:///data/views.db", SqliteUrl(Path("data/views.db"))),
        ("postgresql://db/sluice", PostgresUrl("sluice", "db")),
        ("postgres://me@db:5433/sluice", PostgresUrl("sluice", "db", 5433, "me")),
        ("postgresql://me:p%40ss%2F@[::1]/s", PostgresUrl("s", "::1", None, "me", "p@ss/")),
        ("postgresql://me:p@ss@db/s", PostgresUrl("s", "db", None, "me", "p@ss")),
        (
            "postgresql:///s?host=/run/pg&sslmode=disable",
            PostgresUrl("s", options={"host": "/run/pg", "sslmode": "disable"}),
        ),
    ],
)
def test_what_it_means(text, meant):
    assert parse_database_url(text) == meant
    assert meant is None or "p@ss" not in repr(meant)


@pytest.mark.parametrize(
    "text",
    [
        "memory://",
        "kafka://db:9092",
        "mysql://db/x",
        "postgresql://db",
        "postgresql://db/",
        "postgresql://db/a/b",
        f"postgresql://me:{CANARY}@db:port/x",
        f"postgresql://me:{CANARY}@db:0/x",
        f"postgresql://me:{CANARY}@db:70000/x",
        f"postgresql://me:a/{CANARY}@db/x",
        f"postgresql://:{CANARY}@db/x",
        f"postgresql://me@{CANARY} db/x",
        f"postgresql://me:{CANARY}@db/x?sslmode",
        f"postgresql://me:{CANARY}#@db/x",
        f"postgresql://[{CANARY}/x",
    ],
)
def test_what_is_refused_is_not_repeated(text):
    with pytest.raises(ConfigError) as refused:
        load_settings({"DATABASE_URL": text})
    assert str(refused.value).startswith("DATABASE_URL: the value given (not shown) is refused, it must be sqlite://")
    assert CANARY not in str(refused.value)


def test_a_parameter_that_there_is_not_is_refused_and_not_repeated():
    url = PostgresUrl("x", "db", options={"sslmode": "disable", CANARY: "1"})
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: .* parameter") as refused:
        postgres_database(url, connections=1)
    assert CANARY not in str(refused.value)


def test_settings_that_are_shown_hide_it():
    assert CANARY not in repr(load_settings({"DATABASE_URL": f"postgresql://me:{CANARY}@db/x"}))
