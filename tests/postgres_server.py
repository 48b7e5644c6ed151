"""A real PostgreSQL server for tests and benchmarks, of the programs that are on this machine.

`python tests/postgres_server.py [--port N]` starts one in the foreground and prints its URL.
"""

import argparse
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kafka_server import free_port

PASSWORD = "canary-f3b1-pg"
"""`samples.CANARY` is in it: found in a log, it fails the run."""

_READY_SECONDS = 60


class Unavailable(Exception):
    """No server can be had here; the text says why."""


class Server:
    """One cluster in a folder of its own. Port and data outlive a stop. `durable`: what is committed is on disk."""

    def __init__(self, *, port: int = 0, durable: bool = False) -> None:
        self._programs = _programs()
        self._user = _user()
        self.port = port or free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._process: subprocess.Popen | None = None
        self._fsync = "on" if durable else "off"
        self._numbers = iter(range(1 << 30))

    @property
    def address(self) -> str:
        """The URL of the server, where a database's name is to follow."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it takes connections."""
        if not (self._folder / "data").is_dir():
            self._initialise()
        # Its folder, its port, and nothing of the machine's.
        options = {"port": self.port, "unix_socket_directories": self._folder, "fsync": self._fsync}
        flags = [f"--{name}={value}" for name, value in options.items()]
        with (self._folder / "server.log").open("ab") as log:
            command = [self._programs / "postgres", "-D", self._folder / "data", "--listen_addresses=127.0.0.1", *flags]
            self._process = subprocess.Popen(command, user=self._user, cwd=self._folder, stdout=log, stderr=log)
        until = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError((self._folder / "server.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End all of it at once, as a crash would: what was not committed is lost."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Break off what runs, and end in order."""
        self._end(signal.SIGINT)

    def freeze(self) -> None:
        """Stop all of it in its tracks; connections stay, nothing answers."""
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

    def _processes(self) -> list[int]:
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return [parent, *map(int, children.split())]

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of an empty database that nobody else has."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"{self.address}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints of it, without heads and frames."""
        command = [self._programs / "psql", f"{self.address}/{database}", "-XAtqc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        for path in (self._folder, secret):
            shutil.chown(path, self._user)
        command = [self._programs / "initdb", "-D", self._folder / "data", "-U", "postgres", "-A", "scram-sha-256"]
        options = [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            [*command, *options], user=self._user, cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Unavailable(f"initdb fails: {done.stderr[-500:]}")

    def _answers(self) -> bool:
        asked = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            with contextlib.suppress(OSError):  # it is gone already
                self.thaw()
            self._process.wait(60)
            self._process = None


@contextlib.contextmanager
def running(*, port: int = 0, durable: bool = False) -> Iterator[Server]:
    """A server that answers, gone at the end. Raises Unavailable."""
    server = Server(port=port, durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _programs() -> Path:
    """The folder of the newest server's programs; Debian has them outside of the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    found = shutil.which("initdb") or (versions and versions[-1])
    if not found:
        raise Unavailable("there is no PostgreSQL server (Debian: apt-get install postgresql)")
    return Path(found).resolve().parent


def _user() -> str:
    """Who runs it: it refuses to run as root."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    return "postgres" if os.geteuid() == 0 else me


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=5432)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(port=parser.parse_args().port) as server:
            print(f"{server.address}/postgres", flush=True)  # its whole purpose
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except Unavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
