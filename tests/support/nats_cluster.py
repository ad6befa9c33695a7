"""Three real nats-servers that form a JetStream cluster; a test can kill one of them."""

from pathlib import Path

import nats
import nats.errors
import nats.js.errors

from support.nats_server import NatsServer
from support.processes import free_port
from support.waiting import eventually

NODES = 3


class NatsCluster:
    """A cluster on loopback, each node with its own store.

    Args:
        directory: existing; each node has a directory in it.
    """

    def __init__(self, directory: Path) -> None:
        ports = [free_port() for _ in range(NODES)]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
        self.nodes: dict[str, NatsServer] = {}
        for number, port in enumerate(ports):
            name = f"node-{number}"
            (directory / name).mkdir()
            cluster = f"cluster {{ name: klever, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
            self.nodes[name] = NatsServer(directory / name, config=f"server_name: {name}\n{cluster}\n")

    @property
    def urls(self) -> str:
        """The value of a service's `NATS_URL`."""
        return ",".join(node.url for node in self.nodes.values())

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start(within=60)

    def stop(self) -> None:
        """Stop every node."""
        for node in self.nodes.values():
            node.stop()

    async def is_ready(self) -> bool:
        """Return whether JetStream answers."""
        client = await nats.connect(self.urls.split(","), connect_timeout=2)
        try:
            await client.jetstream().account_info()
        finally:
            await client.close()
        return True

    async def leader_of(self, stream: str) -> str:
        """The leader of a stream's group, once there is one and its followers are up to date."""

        async def settled() -> str | None:
            client = await nats.connect(self.urls.split(","), connect_timeout=2)
            try:
                info = await client.jetstream().stream_info(stream)
            finally:
                await client.close()
            followers = info.cluster.replicas or [] if info.cluster else []
            is_whole = len(followers) == NODES - 1 and all(each.current and not each.offline for each in followers)
            return info.cluster.leader if info.cluster and is_whole else None

        return str(await eventually(settled, within=60, every=0.2))
