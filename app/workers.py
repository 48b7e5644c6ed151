"""Several gateways on one port: a parent that starts them, starts the fallen again, and ends them all.

Each is a process of its own with its own connections to Kafka; the kernel shares out connections (SO_REUSEPORT).
Nothing of the gateway runs in the parent, so that there is little that could fall there. If it is killed all the same,
the workers see their line to it end, and drain.
"""

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType

from app.errors import ResourceUnavailable
from app.exits import EX_CONFIG, EX_OK, EX_SOFTWARE, EX_UNAVAILABLE
from app.resilience.backoff import Backoff
from app.resilience.restarts import Restarts
from app.serving import run
from app.settings import Settings
from app.telemetry.logs import configure_logs, get_logger
from app.telemetry.sharing import forget_process, shared_metrics

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 30.0
"""A worker that lived for so long has not failed at starting."""

DRAIN_SECONDS = 25.0
"""A worker ends within 20 s of its signal; one that does not is killed."""

_log = get_logger(__name__)


@dataclass
class _Place:
    """One of the n workers, whichever process it is now."""

    number: int
    restarts: Restarts
    process: SpawnProcess | None = None
    line: Connection | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    served: bool = field(default=False)
    """Whether one ever came to listen here."""


def supervise(settings: Settings) -> int:
    """Run `settings.workers` gateways until a signal; answers the exit code. Raises ResourceUnavailable.

    A worker that ends before any came to listen, for a reason that will not go away (exit codes 69 and 78), ends it all
    with that code. 0: all of them drained.
    """
    with ExitStack() as stack:
        host, port = stack.enter_context(_held_port(*settings.address))
        folder = stack.enter_context(shared_metrics())
        bell = stack.enter_context(_signal_bell())
        there = settings.model_copy(update={"host": host, "port": port, "bind_address": None})
        workers = _Workers(there, folder)
        _log.info("starting workers", workers=settings.workers, url=f"http://{host}:{port}")
        while not bell.rung and workers.fatal is None:
            workers.start_due(time.monotonic())
            workers.look(bell, time.monotonic())
        code = workers.end()
        return code if workers.fatal is None else workers.fatal


class _Workers:
    """The processes. `fatal` is the exit code of one that shows that none will ever come up."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._spawn = get_context("spawn")
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, random=random.random)
        self._places = [
            _Place(number, Restarts(backoff, steady=STEADY_SECONDS)) for number in range(1, settings.workers + 1)
        ]
        self.fatal: int | None = None

    def start_due(self, now: float) -> None:
        for place in self._places:
            if place.process is None and place.restart_at <= now:
                self._start(place, now)

    def look(self, bell: "_Bell", now: float) -> None:
        """Wait until something happens, and see to it."""
        waiting = [place.restart_at - now for place in self._places if place.process is None]
        watched = [place.process.sentinel for place in self._places if place.process is not None]
        lines = [place.line for place in self._places if place.line is not None and not place.served]
        wait([bell.socket, *watched, *lines], timeout=min(waiting, default=None))
        bell.silence()
        if bell.reload_asked:
            bell.reload_asked = False
            self._pass_on(signal.SIGHUP)
        for place in self._places:
            if place.line is not None and not place.served and place.line.poll():
                place.served = self._hears(place.line)
            if place.process is not None and place.process.exitcode is not None:
                self._bury(place, time.monotonic())

    def _pass_on(self, number: int) -> None:
        for place in self._places:
            if place.served and place.process is not None and place.process.pid is not None:
                os.kill(place.process.pid, number)

    def end(self) -> int:
        """Ask all to drain, wait for them; 0 when all of them did."""
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            process.terminate()
        until = time.monotonic() + DRAIN_SECONDS
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                _log.error("worker killed, it did not end", pid=process.pid)
                process.kill()
                process.join()
        clean = (EX_OK, -signal.SIGTERM)  # the latter: it was told to end before it had begun
        return EX_OK if all(process.exitcode in clean for process in processes) else EX_SOFTWARE

    def _start(self, place: _Place, now: float) -> None:
        place.line, theirs = self._spawn.Pipe()
        place.process = self._spawn.Process(
            target=_work, args=(self._settings, self._folder, theirs), name=f"worker-{place.number}"
        )
        place.process.start()
        theirs.close()
        place.started_at = now
        _log.info("worker started", worker=place.number, pid=place.process.pid)

    def _bury(self, place: _Place, now: float) -> None:
        process, place.process = place.process, None
        if process is None or process.pid is None:
            return
        code = process.exitcode
        forget_process(process.pid, self._folder)
        if place.line is not None:
            place.line.close()
            place.line = None
        if code in (EX_CONFIG, EX_UNAVAILABLE) and not any(each.served for each in self._places):
            self.fatal = code
            return
        pause = place.restarts.fell(now - place.started_at)
        place.restart_at = now + pause
        _log.error("worker fell", worker=place.number, pid=process.pid, exit_code=code, restart_in=round(pause, 3))

    @staticmethod
    def _hears(line: Connection) -> bool:
        try:
            return line.recv_bytes() == _LISTENING
        except EOFError:
            return False


_LISTENING = b"listening"


def _work(settings: Settings, folder: Path, line: Connection) -> None:
    """A worker's whole life, in its own process. Exits with its code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until the gateway listens to it: the terminal tells all at once
    configure_logs(settings.log_level, settings.log_format)
    code = run(settings, folder=folder, parent=line.fileno(), listening=partial(line.send_bytes, _LISTENING))
    os._exit(code)


class _Bell:
    """Rings when a signal comes. `socket` wakes whoever waits for something else."""

    def __init__(self, receiving: socket.socket) -> None:
        self.socket = receiving
        self.rung = False
        self.reload_asked = False

    def ring(self, _number: int, _frame: FrameType | None) -> None:
        self.rung = True

    def reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload_asked = True

    def silence(self) -> None:
        """Take what woke us, or we would be woken for ever."""
        with suppress(BlockingIOError):
            self.socket.recv(4096)


@contextmanager
def _signal_bell() -> Iterator[_Bell]:
    receiving, sending = socket.socketpair()
    with receiving, sending:
        for side in (receiving, sending):
            side.setblocking(False)  # noqa: FBT003  # set_wakeup_fd wants it
        bell = _Bell(receiving)
        signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, bell.ring)
        signal.signal(signal.SIGHUP, bell.reload)
        try:
            yield bell
        finally:
            signal.set_wakeup_fd(-1)


@contextmanager
def _held_port(host: str, port: int) -> Iterator[tuple[str, int]]:
    """Hold the address without listening at it: nobody else gets it, between two workers' lives neither.

    Raises ResourceUnavailable: somebody has it.
    """
    with ExitStack() as stack:
        try:
            family, *_, address = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family) as probe:  # alone, for with SO_REUSEPORT another gateway would share its own
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                port = probe.getsockname()[1]
            held = stack.enter_context(socket.socket(family))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((address[0], port, *address[2:]))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ResourceUnavailable(f"can't listen at {host}:{port}: {reason}") from None
        yield host, port
