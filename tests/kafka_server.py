"""A real Kafka broker for tests and benchmarks: Apache's image in Docker, or Apache's jars on Java 17 or newer.

`python tests/kafka_server.py [--port N]` starts one in the foreground and prints its address.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POM = Path(__file__).resolve().parent / "kafka" / "pom.xml"
VERSION = re.findall(r"<version>(\d+\.\d+\.\d+)</version>", POM.read_text())[0]
IMAGE = f"apache/kafka:{VERSION}"
CACHE = Path(os.environ.get("KAFKA_CACHE") or ROOT / ".cache" / "kafka")
STARTED = "Kafka Server started"

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class Unavailable(Exception):
    """No broker can be had here; the text says why."""


class JarServer:
    """Apache's broker as a process of this machine (KRaft, one node).

    `listeners` are further ones, by name and security protocol, each at a port of its own: see `addresses`.
    `formatting` goes to `StorageTool format`, which alone can make users that are there from the start. `controller` is
    the port at which it speaks to others of its `cluster` (an id).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        overrides: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        formatting: Sequence[str] = (),
        controller: int = 0,
        cluster: str = "",
    ) -> None:
        self._command = java_command()
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        controller = controller or free_port()
        self.address = f"127.0.0.1:{port or free_port()}"
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in listeners or {}}
        advertised = ",".join(f"{name}://{at}" for name, at in {"PLAINTEXT": self.address, **self.addresses}.items())
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **(listeners or {})}
        self._log = self._folder / "server.log"
        self._config = self._folder / "server.properties"
        settings = {
            **SETTINGS,
            "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": advertised,
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self._folder / "data"),
            **(overrides or {}),
        }
        self._config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0
        format_storage(self._config, *formatting, cluster=cluster)

    def start(self) -> None:
        """Return when the broker serves. Raises RuntimeError with the end of its log."""
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """Start it; it may need others of its cluster before it serves."""
        self._seen = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            command = [*self._command, "-Xmx512m", "kafka.Kafka", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)

    def wait_started(self) -> None:
        until = time.monotonic() + 90
        while STARTED.encode() not in (text := self._log.read_bytes()[self._seen :]):
            if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"Kafka did not start:\n{text[-3000:].decode(errors='replace')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as an operator would, and by force after 20 s."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self.kill()

    def kill(self) -> None:
        """The machine loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It is there, and does not answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.thaw()  # or it would not hear that it should end
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class DockerServer:
    """Apache's image in a container, by testcontainers; the port on the host stays the same over restarts."""

    def __init__(self, *, port: int = 0, overrides: Mapping[str, str] | None = None) -> None:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # slow, and seldom needed
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415  # as above

        self.address = f"127.0.0.1:{(port := port or free_port())}"
        self._container = DockerContainer(IMAGE).with_bind_ports(9092, port)
        for variable, value in container_environment(self.address, overrides).items():
            self._container.with_env(variable, value)
        self._container.waiting_for(LogMessageWaitStrategy(STARTED).with_startup_timeout(90))
        self._made = False

    def start(self) -> None:
        if not self._made:
            self._container.start()
            self._made = True
            return
        known = self._starts()
        self._container.get_wrapped_container().start()
        until = time.monotonic() + 90
        while self._starts() == known:
            if time.monotonic() > until:
                raise RuntimeError("Kafka did not start again in its container")
            time.sleep(0.1)

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=20)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()

    def close(self) -> None:
        if self._made:
            self._container.stop()

    def _starts(self) -> int:
        return b"".join(self._container.get_logs()).count(STARTED.encode())


def container_environment(address: str, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of a broker in a container, as Apache's image takes them; it is reached at `address`."""
    settings = {
        **SETTINGS,
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": "1@127.0.0.1:9093",
        **(overrides or {}),
    }
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}


Server = JarServer | DockerServer
"""A broker of our own, which faults can be tried on. Port and data outlive a stop."""


@contextlib.contextmanager
def running(*, port: int = 0, overrides: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A broker of our own that serves, gone at the end. Raises Unavailable."""
    server = (DockerServer if docker_answers() else JarServer)(port=port, overrides=overrides)
    try:
        server.start()
        yield server
    finally:
        server.close()


def docker_answers() -> bool:
    """Whether there is a Docker engine; asked through its own client, which is quick to say no."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=20).returncode == 0


def java_command() -> list[str]:
    """How Apache's classes are run. Raises Unavailable."""
    return ["java", "-XX:+UseSerialGC", "-cp", f"{fetch_jars()}/*"]


def format_storage(config: Path, *arguments: str, cluster: str = "") -> None:
    """Make the folder that a broker of this configuration starts on. Raises Unavailable, CalledProcessError."""
    storage_tool("format", "-t", cluster or new_cluster_id(), "-c", str(config), *arguments)


def new_cluster_id() -> str:
    return storage_tool("random-uuid").split()[-1]


def storage_tool(*arguments: str) -> str:
    command = [*java_command(), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fetch_jars() -> Path:
    """The folder with Kafka's jars, fetched once with Maven. Raises Unavailable."""
    folder = CACHE / f"jars-{VERSION}"
    if _java_version() < 17:
        raise Unavailable("no KAFKA_BOOTSTRAP_SERVERS, no Docker engine and no Java 17 or newer")
    if not folder.is_dir():
        if shutil.which("mvn") is None:
            raise Unavailable("no KAFKA_BOOTSTRAP_SERVERS, no Docker engine and no Maven to fetch Kafka's jars")
        CACHE.mkdir(parents=True, exist_ok=True)
        fetched = Path(tempfile.mkdtemp(prefix="fetching-", dir=CACHE))
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        done = subprocess.run(["mvn", "-B", "-q", "-f", str(POM), *goal], check=False, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(fetched, ignore_errors=True)
            raise Unavailable(f"Maven could not fetch Kafka's jars: {done.stdout[-500:]}")
        with contextlib.suppress(OSError):  # somebody else was quicker
            fetched.rename(folder)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _java_version() -> int:
    if shutil.which("java") is None:
        return 0
    shown = subprocess.run(["java", "-version"], check=False, capture_output=True, text=True).stderr
    match = re.search(r'version "(\d+)', shown)
    return int(match[1]) if match else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=9092)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(port=parser.parse_args().port) as server:
            print(server.address, flush=True)  # its whole purpose
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except Unavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
