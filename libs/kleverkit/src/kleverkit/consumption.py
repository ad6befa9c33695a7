"""Taking messages: for every subscriber of a broker, from start to stop."""

import asyncio
from functools import partial

from faststream.nats import NatsBroker

from .broker import GRACE_SECONDS, pulls
from .loops import BackgroundLoop
from .pulling import Pull
from .tasks import cancel
from .topology import Topology


class Consumption:
    """Hands the messages of a service's consumers to its handlers.

    Args:
        broker: with its handlers.
        topology: keeps the consumers in being.
    """

    def __init__(self, broker: NatsBroker, topology: Topology) -> None:
        self._broker = broker
        self._topology = topology
        self._pulls = pulls(broker)
        for pull in self._pulls:
            pull.on_refusal = topology.look_now
        topology.need(pull.consumer for pull in self._pulls)
        self.loops = [BackgroundLoop(partial(self._take, pull)) for pull in self._pulls]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to take messages."""
        await self._broker.start()
        self._tasks += [asyncio.create_task(loop.forever()) for loop in self.loops]

    async def stop(self) -> None:
        """Take no more messages, and finish those in work."""
        await cancel(self._tasks)
        await asyncio.gather(*(pull.finish(GRACE_SECONDS) for pull in self._pulls))

    async def _take(self, pull: Pull) -> None:
        await pull.run(await self._broker.connect())  # gives the connection that there is

    async def problem(self) -> str | None:
        """A readiness check: whether each consumer is there and receives messages."""
        missing = await self._topology.consumers_problem()
        return missing or "; ".join(pull.problem for pull in self._pulls if pull.problem) or None
