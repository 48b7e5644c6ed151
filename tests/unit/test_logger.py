"""Loggers tell what their module's level lets through, with what is bound to them."""

import logging

import pytest
import structlog

from app.telemetry.logger import Logger
from app.telemetry.logs import level_of, read_levels


class Told:
    """Lines as they come out of the processors, by the method that took each."""

    def __init__(self) -> None:
        self.lines = []

    def __getattr__(self, method: str):
        return lambda line: self.lines.append((method, line))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def logger(told):
    return lambda level, *processors: Logger(told, processors, {"module": "app.here"}, lambda _module: level)


def test_a_line_tells_the_module_then_what_is_bound_then_its_own_fields_then_event_and_level(told, logger):
    logger(logging.INFO).bind(route="/a", status=0).info("request", status=200)
    [(method, line)] = told.lines
    assert method == "info"
    assert list(line.items()) == [
        ("module", "app.here"),
        ("route", "/a"),
        ("status", 200),
        ("event", "request"),
        ("level", "info"),
    ]


@pytest.mark.parametrize("least", ["debug", "info", "warning", "error", "critical"])
def test_what_is_below_the_level_is_left_out(told, logger, least):
    names = ["debug", "info", "warning", "error", "critical"]
    level = logging.getLevelNamesMapping()[least.upper()]
    log = logger(level)
    for name in names:
        getattr(log, name)("by name")
        log.log(logging.getLevelNamesMapping()[name.upper()], "by number")
    wanted = names[names.index(least) :]
    assert [method for method, _ in told.lines] == [name for name in wanted for _ in range(2)]
    assert [name for name in names if log.is_enabled_for(logging.getLevelNamesMapping()[name.upper()])] == wanted


def test_processors_make_the_line_in_turns_and_may_drop_it(told, logger):
    def shout(_logger, method, event):
        return f"{method} {event['event'].upper()}"

    def drop(_logger, _method, _event):
        raise structlog.DropEvent

    logger(logging.INFO, shout).warning("careful")
    logger(logging.INFO, drop, shout).warning("not told")
    assert told.lines == [("warning", "warning CAREFUL")]


def test_an_exception_is_told_as_an_error(told, logger):
    logger(logging.INFO).exception("it failed", work="w")
    wanted = {"module": "app.here", "work": "w", "event": "it failed", "level": "error", "exc_info": True}
    assert told.lines == [("error", wanted)]


@pytest.mark.parametrize(
    ("module", "level"),
    [("app.gateway", logging.DEBUG), ("app.gateway.live.tail", logging.ERROR), ("app.gateway.audit", logging.DEBUG),
     ("app.gateways", logging.WARNING), ("app", logging.WARNING)],
)  # fmt: skip
def test_the_longest_prefix_of_a_modules_name_decides(module, level):
    assert level_of(*read_levels("warning,app.gateway=debug,app.gateway.live=error"), module) == level
