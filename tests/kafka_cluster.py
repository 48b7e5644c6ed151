"""Three of Apache's brokers as one cluster, from the jars: for what one broker can't show."""

import contextlib
from collections.abc import Iterator

from kafka_server import JarServer, free_port, new_cluster_id

NODES = 3


@contextlib.contextmanager
def running_cluster() -> Iterator[list[JarServer]]:
    """Three brokers, each a controller too, that have found each other; all topics are kept three times."""
    controllers = [free_port() for _ in range(NODES)]
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
    cluster = new_cluster_id()
    servers: list[JarServer] = []
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(controllers, 1):
            server = JarServer(
                controller=port,
                cluster=cluster,
                overrides={
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "offsets.topic.replication.factor": "3",
                    "transaction.state.log.replication.factor": "3",
                    "transaction.state.log.min.isr": "2",
                },
            )
            stack.callback(server.close)
            servers.append(server)
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_started()
        yield servers
