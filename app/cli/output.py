"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

Row = Mapping[str, Any]

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print the gateway's answer as JSON.")


def show(answer: Any, *, json_wanted: bool, table: Callable[[Any], str]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2) if json_wanted else table(answer))


def table(rows: Sequence[Row], *columns: str) -> str:
    """The rows' columns under their names, numbers to the right; what is missing or null is a dash."""
    texts = [list(columns)] + [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in texts) for place in range(len(columns))]
    right = [any(_is_number(row.get(column)) for row in rows) for column in columns]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in texts
    )


def facts(row: Row, *names: str) -> str:
    """One thing, a line for each of its members."""
    width = max(map(len, names))
    return "\n".join(f"{name.ljust(width)}  {_text(row.get(name))}" for name in names)


def sure(what: str, *, yes: bool) -> None:
    """Ask before something that can't be undone; a script has to say `--yes`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would delete {what}; say --yes to do it without being asked")
    click.confirm(f"Delete {what}?", abort=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list):
        return ",".join(map(_text, value)) or "-"
    return str(value)
