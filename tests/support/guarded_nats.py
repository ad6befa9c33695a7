"""A nats-server that requires credentials, as `klever up` runs it, and its clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from klever.platform.home import NatsFiles
from klever.platform.nats_access import OPERATOR, NatsAccess
from kleverkit.nats_calls import ClientSource
from kleverkit.topology import Topology
from kleverproto.streams import CONSUMERS, TOPOLOGY
from support.nats_server import NatsServer


@dataclass
class Connected:
    """A client, and the errors that the server reported to it."""

    client: Client
    errors: list[str] = field(default_factory=list)

    @property
    def source(self) -> ClientSource:
        """The same as a source, for code that accepts a client that may not be connected yet."""
        source = ClientSource()
        source.set(self.client)
        return source

    async def refused(self, *subjects: str) -> set[str]:
        """Publish to each subject with an inbox for replies. Return the subjects that the server refused."""
        inbox = self.client.new_inbox()
        for subject in subjects:
            await self.client.publish(subject, b"{}", reply=f"{inbox}.{len(self.errors)}")
        for _ in range(2):  # nats-py sends the first PING before the contents of its buffer
            await self.client.flush(timeout=20)
        return {subject for subject in subjects if any(f'"{subject.lower()}"' in error for error in self.errors)}


class GuardedNats:
    """The server with its own keys.

    Args:
        directory: existing.
    """

    def __init__(self, directory: Path) -> None:
        self.files = NatsFiles(directory / "access")
        self.access = NatsAccess(self.files)
        self.access.prepare()
        self.server = NatsServer(directory, config=self.files.config.read_text())
        self._directory = directory

    def restart(self) -> None:
        """Restart the server. While it reloads, it may refuse known clients."""
        self.server.stop()
        self.server.config = self.files.config.read_text()
        self.server.start()

    def reload(self) -> None:
        """Let the server read the changes of `access`."""
        self.server.config = self.files.config.read_text()
        self.server.reload()

    def issue(self, name: str, *, publish: tuple[str, ...] = (), subscribe: tuple[str, ...] = ()) -> Path:
        """Issue credentials of an external system, which the server accepts after its next start or reload."""
        file = self._directory / f"{name}.nk"
        self.issued, seed = self.access.add(name, publish=publish, subscribe=subscribe)
        file.write_text(seed)
        return file

    @asynccontextmanager
    async def client(self, who: str | Path | None = OPERATOR) -> AsyncIterator[Connected]:
        """Connect as a service, an operator, the holder of a file, or without credentials."""
        connected = Connected(Client())

        async def on_error(error: Exception) -> None:
            connected.errors.append(str(error))

        seed = self.files.credentials_of(who) if isinstance(who, str) else who
        options: dict[str, Any] = {"nkeys_seed": str(seed)} if seed else {}
        try:
            await connected.client.connect(
                self.server.url, error_cb=on_error, allow_reconnect=False, connect_timeout=10, **options
            )
            yield connected
        finally:
            await connected.client.close()

    async def provide(self) -> None:
        """Create all streams, buckets and consumers, as the provisioning service does."""
        async with self.client(TOPOLOGY) as topology:
            keeper = Topology(topology.source)
            keeper.need(CONSUMERS)
            await keeper.reconcile()
            assert (await keeper.streams_problem(), await keeper.consumers_problem()) == (None, None)
            assert topology.errors == []
