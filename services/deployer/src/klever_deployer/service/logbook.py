"""Publishes the output of model servers as events."""

import asyncio
from dataclasses import dataclass

import structlog

from klever_deployer.ports import LogPart, ReplicaLogs
from kleverkit.errors import TransientError
from kleverkit.publisher import EventPublisher
from kleverproto.envelope import EventSource, derive_id
from kleverproto.servings import ServingLogged

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Logbook:
    """Publishes the lines of all replicas.

    Args:
        logs: the output of the replicas.
        publisher: publishes events.
        events: creates events.
    """

    logs: ReplicaLogs
    publisher: EventPublisher
    events: EventSource

    async def run(self) -> None:
        """Publishes output until cancelled. While NATS is not available, output stays in the log files."""
        while True:
            try:
                if not await self.publish():
                    await asyncio.sleep(PAUSE_SECONDS)
            except TransientError as error:
                log.warning("output of model servers not published, retrying", error=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def publish(self) -> bool:
        """Publish the next output of all replicas. Returns False if there was none. Raises TransientError."""
        parts = await self.logs.read()
        for part in parts:
            await self._publish(part)
        if parts:
            await self.logs.acknowledge(parts)
        return bool(parts)

    async def _publish(self, part: LogPart) -> None:
        version = part.version
        data = ServingLogged(
            namespace=version.serving.namespace,
            name=version.serving.name,
            variant=version.variant,
            revision=version.revision,
            replica=part.replica,
            lines=part.lines,
        )
        await self.publisher.publish(
            self.events.event(data, event_id=derive_id(version.name, str(part.replica), part.id))
        )
