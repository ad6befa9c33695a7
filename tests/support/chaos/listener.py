"""A client that follows the live events during the whole run."""

import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field

from klever.client import KleverClient
from klever.errors import KleverError
from klever_gateway.domain.positions import Loss
from support.waiting import pause

from .world import World

CONNECT_SECONDS = 2.0
"""Seconds until the first connection. Events stored before it are not received."""


@dataclass
class Listener:
    """Follows the events until it is cancelled.

    Attributes:
        received: how often each event arrived since the last gap.
        known: every event that ever arrived.
        gaps: the last one of each stream.
        repeated: events that arrived more than once without a gap in between.
    """

    world: World
    received: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    gaps: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    restarts: int = 0
    since: float = 0
    """The start by the clock of the event store. Events stored before it are not expected."""

    async def run(self) -> None:
        """Run until cancelled."""
        self.since = time.time() + CONNECT_SECONDS
        while True:
            try:
                async with self.world.platform.client() as client:
                    await self._listen(client)
            except KleverError as error:
                self.restarts += 1
                self.world.timeline.say(f"the events ended: {error}")
            await pause(0.5)

    def missed(self, stream: str, event_ids: set[str]) -> set[str]:
        """Return events of a stream that never arrived and that no gap explains."""
        whole = self.gaps.get(stream) in {None, Loss.RECREATED} and not self.restarts
        return event_ids - self.known if whole else set()

    async def _listen(self, client: KleverClient) -> None:
        async with aclosing(client.events(on_gap=self._gap)) as events:
            async for event in events:
                self.received[event.id] += 1
                self.known.add(event.id)
                if self.received[event.id] > 1:
                    self.repeated.append(f"{event.type} {event.id}")

    def _gap(self, text: str) -> None:
        stream, _, reason = text.partition(": ")
        self.gaps[stream] = reason
        self.received.clear()
        self.world.timeline.say(f"events may be missing: {text}")
