"""What modules log by: a wrapper of structlog's, with no more between a call and the processors than a line needs."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Self

import structlog
from structlog.typing import Context, Processor, WrappedLogger

from app.telemetry.redaction import redact

_METHODS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}


class Logger(structlog.BoundLoggerBase):
    """Of the module that its context names; `level_of` a module is the least that it tells. What is secret is left out.

    structlog's own takes three times as many calls for a line, and every request waits for one.
    """

    def __init__(
        self, logger: WrappedLogger, processors: Iterable[Processor], context: Context, level_of: Callable[[str], int]
    ) -> None:
        super().__init__(logger, processors, context)
        self._level_of = level_of
        self._level = level_of(context["module"])

    def bind(self, **fields: Any) -> Self:
        """One that tells these, too."""
        redact(fields)
        return type(self)(self._logger, self._processors, {**self._context, **fields}, self._level_of)

    def is_enabled_for(self, level: int) -> bool:
        return level >= self._level

    def log(self, level: int, event: str, **fields: Any) -> None:
        if level < self._level:
            return
        redact(fields)
        method = _METHODS[level]
        line: Any = self._context | fields
        line["event"] = event
        line["level"] = method
        try:
            for process in self._processors:
                line = process(self._logger, method, line)
        except structlog.DropEvent:
            return
        getattr(self._logger, method)(line)

    def debug(self, event: str, **fields: Any) -> None:
        self.log(logging.DEBUG, event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        self.log(logging.INFO, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.log(logging.WARNING, event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.log(logging.ERROR, event, **fields)

    def critical(self, event: str, **fields: Any) -> None:
        self.log(logging.CRITICAL, event, **fields)

    def exception(self, event: str, **fields: Any) -> None:
        """With the exception that is being handled."""
        self.log(logging.ERROR, event, exc_info=True, **fields)
