"""Delivers messages to the subscribers of a broker, from start to stop."""

import asyncio
from functools import partial

from faststream.nats import NatsBroker

from .broker import GRACE_SECONDS, pulls
from .loops import BackgroundLoop
from .pulling import Pull
from .tasks import cancel
from .topology import Topology


class Consumption:
    """Delivers the messages of a service's consumers to its handlers.

    Args:
        broker: the broker with its handlers.
        topology: creates missing consumers.
    """

    def __init__(self, broker: NatsBroker, topology: Topology) -> None:
        self._broker = broker
        self._topology = topology
        self._pulls = pulls(broker)
        for pull in self._pulls:
            pull.on_refusal = topology.check_now
        topology.need(pull.consumer for pull in self._pulls)
        self.loops = [BackgroundLoop(partial(self._take, pull)) for pull in self._pulls]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start delivering messages."""
        await self._broker.start()
        self._tasks += [asyncio.create_task(loop.forever()) for loop in self.loops]

    async def stop(self) -> None:
        """Stop taking messages, and finish those in progress."""
        await cancel(self._tasks)
        await asyncio.gather(*(pull.finish(GRACE_SECONDS) for pull in self._pulls))

    async def _take(self, pull: Pull) -> None:
        await pull.run(await self._broker.connect())  # returns the present connection

    async def problem(self) -> str | None:
        """Readiness check: the reason why a consumer receives no messages, or None."""
        missing = await self._topology.consumers_problem()
        return missing or "; ".join(pull.problem for pull in self._pulls if pull.problem) or None
