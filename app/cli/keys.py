"""`sluice keys`: the file of named keys. A gateway that runs takes over what changes within seconds."""

import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from app.cli.client import fail
from app.cli.output import as_json, show, table
from app.door.key_edits import NoSuchKey, RefusedEdit, added, revoked, rotated, rotation_ended
from app.door.key_file import BadKeyFile, edit_keys, read_keys
from app.door.keyring import Keyring
from app.door.keys import Key, digest, key_text, new_secret
from app.errors import ConfigError
from app.exits import EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOPERM

_DURATION = re.compile(r"([1-9][0-9]{0,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """A time with its offset, or how long from now."""
    if value is None:
        return None
    if match := _DURATION.fullmatch(value):
        return datetime.now(UTC).replace(microsecond=0) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    with suppress(ValueError):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment
    raise click.BadParameter(f"{value!r} must be such as 2027-01-01T00:00:00Z, 90d, 12h or 30m")


@click.group()
def keys() -> None:
    """Named keys: who may send to which topics, who may read them."""


def _on_file(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the option `--file`, and its path as the first argument; what goes wrong ends it in one line."""

    @click.option(
        "--file", type=click.Path(path_type=Path), help="The file of keys; by default the setting API_KEYS_FILE."
    )
    @wraps(command)
    def with_file(*, file: Path | None, **options: Any) -> None:
        try:
            command(file or _file_of_settings(), **options)
        except NoSuchKey as error:
            fail(EX_NOINPUT, str(error))
        except RefusedEdit as error:
            fail(EX_DATAERR, str(error))
        except (BadKeyFile, ConfigError) as error:
            fail(EX_CONFIG, f"{file or 'API_KEYS_FILE'}: {error}")
        except OSError as error:
            fail(EX_CONFIG, f"{error.filename}: {error.strerror}")

    return with_file


def _file_of_settings() -> Path:
    from app.settings import load_settings  # noqa: PLC0415  # the other commands start without it

    path = load_settings(dotenv=Path(".env")).api_keys_file
    if path is None:
        raise click.UsageError("which file? Say --file, or set API_KEYS_FILE")
    return path


@keys.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="produce:orders.*, consume:*.audit, admin …")
@click.option("--expires", callback=_moment, metavar="WHEN", help="Such as 2027-01-01T00:00:00Z, 90d, 12h.")
@click.option("--not-before", callback=_moment, metavar="WHEN", help="When it begins to be valid.")
@_on_file
def new(path: Path, name: str, scopes: tuple[str, ...], expires: datetime | None, not_before: datetime | None) -> None:
    """Make a key and print it: the only time that it can be seen."""
    secret = new_secret()
    wanted = {
        "id": name,
        "sha256": [digest(secret).hex()],
        "scopes": scopes,
        "not_before": not_before,
        "expires_at": expires,
    }
    try:
        key = msgspec.convert(wanted, Key)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None
    edit_keys(path, added(key))
    click.echo(key_text(name, secret))


@keys.command("list")
@as_json
@_on_file
def list_keys(path: Path, *, json_wanted: bool) -> None:
    """Every key, without its secrets."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": key.id,
            "state": key.state(now),
            "secrets": len(key.sha256),
            "scopes": list(key.scopes),
            "not_before": key.not_before and key.not_before.isoformat(),
            "expires_at": key.expires_at and key.expires_at.isoformat(),
        }
        for key in read_keys(path)
    ]
    show(
        rows, json_wanted=json_wanted, table=lambda rows: table(rows, "id", "state", "secrets", "expires_at", "scopes")
    )


@keys.command()
@click.argument("key_id", metavar="ID")
@_on_file
def revoke(path: Path, key_id: str) -> None:
    """Take a key out, with all its secrets."""
    edit_keys(path, revoked(key_id))
    click.echo(f"key {key_id} revoked")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--end", is_flag=True, help="Take the old secret out, once nobody uses it.")
@_on_file
def rotate(path: Path, key_id: str, *, end: bool) -> None:
    """Give a key a new secret and print the key; the last one stays valid until --end, older ones do not."""
    if end:
        edit_keys(path, rotation_ended(key_id))
        click.echo(f"key {key_id} has one secret")
        return
    secret = new_secret()
    edit_keys(path, rotated(key_id, secret))
    click.echo(key_text(key_id, secret))


@keys.command()
@click.argument("key")
@_on_file
def check(path: Path, key: str) -> None:
    """Say whose KEY is and what it may do; `-` reads it from standard input, where nobody sees it."""
    keyring = Keyring(time.time)
    keyring.replace(read_keys(path))
    text = sys.stdin.readline().strip() if key == "-" else key
    found = keyring.identify([text] if text else [])
    if found.refused:
        whose = f" (it is that of {found.refused.key!r})" if found.refused.reason == "expired" else ""
        fail(EX_NOPERM, f"this key is {found.refused.reason}{whose}")
    click.echo(f"{found.name}: {' '.join(found.key.scopes) if found.key else ''}")
