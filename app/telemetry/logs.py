"""Structured logs: one JSON object a line, or readable lines on a terminal, with a level for each module."""

import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from app.telemetry.lines import Lines
from app.telemetry.logger import Logger

Bound = Mapping[str, str]
"""What every line of a task tells: its request's id first."""

_NOTHING: Bound = MappingProxyType({})
_BOUND: ContextVar[Bound] = ContextVar("bound", default=_NOTHING)

bound = _BOUND.get
"""What every line of the running task tells."""

speak_for = _BOUND.set
"""Let every further line of the running task tell this: what was `bound` where a request was served."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


def serve_request(request_id: str) -> None:
    """From here on the running task serves this request."""
    _BOUND.set({"request_id": request_id})


def bind(**fields: str) -> None:
    """Let every further line of the running request tell these, too."""
    _BOUND.set({**bound(), **fields})


def get_logger(module: str) -> Logger:
    """The log of one module: pass `__name__`."""
    logger: Logger = structlog.get_logger(module=module)
    return logger


def configure_logs(level: str, form: str) -> None:
    """Send all logs, the libraries' too, to standard output. `level`: `info`, or such as `info,app.gateway=debug`."""
    root, modules = read_levels(level)
    console = form == "console" or (form == "auto" and sys.stdout.isatty())
    lines = Lines(sys.stdout.buffer)
    structlog.configure(
        processors=_rendering(console=console),
        wrapper_class=partial(Logger, level_of=partial(level_of, root, modules)),  # type: ignore[arg-type]
        logger_factory=structlog.PrintLoggerFactory() if console else lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _configure_libraries(root, modules, console=console)


def read_levels(text: str) -> tuple[int, dict[str, int]]:
    """The level of all modules, and those of single ones, out of `info,app.gateway=debug`."""
    root, modules = logging.INFO, {}
    for part in text.split(","):
        name, _, level = part.strip().rpartition("=")
        number = logging.getLevelNamesMapping()[level.upper()]
        if name:
            modules[name] = number
        else:
            root = number
    return root, modules


def level_of(root: int, modules: Mapping[str, int], module: str) -> int:
    """That of the longest prefix of its name, else the root's."""
    prefix = module
    while prefix and prefix not in modules:
        prefix = prefix.rpartition(".")[0]
    return modules.get(prefix, root)


def _rendering(*, console: bool) -> list[Processor]:
    if console:
        return [
            _with_bound,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    return [_json]


def _with_bound(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.update(bound())
    return event


def _json(logger: Any, method: str, event: EventDict) -> bytes:
    """The whole line in one step: every request waits for one."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    event.update(bound())
    event["timestamp"] = datetime.now(UTC)
    return _encode(event)


def _of_library(_logger: Any, method: str, event: EventDict) -> EventDict:
    """What our own loggers tell by themselves."""
    event["module"] = event["_record"].name
    event["level"] = method
    return event


def _configure_libraries(root: int, modules: Mapping[str, int], *, console: bool) -> None:
    """Bring the standard library's loggers into the same form."""
    rendering = _rendering(console=console)
    if not console:
        rendering.append(lambda _logger, _method, line: line.decode())  # type: ignore[attr-defined]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_of_library],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(root, logging.WARNING), force=True)
    # At DEBUG aiokafka prints keys and values; in an outage it prints a line for every retry.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for name, level in modules.items():
        logging.getLogger(name).setLevel(level)
