"""Ends what is shown for accepted requests whose answer was lost, or came in another way."""

import asyncio
from typing import Generic, TypeVar

import structlog

from klever_gateway.domain.rows import REQUEST_STREAMS, Collection, Row, is_settled
from klever_gateway.ports import Projection, Requests
from kleverkit.errors import TransientError
from kleverproto.base import WireModel

from .arrivals import Arrivals
from .owners import Owned

DocT = TypeVar("DocT", bound=WireModel)

SETTLE_SECONDS = 2.0
"""Between two looks at what is not answered."""

log = structlog.get_logger(__name__)


class Settling(Generic[DocT]):
    """Settles the accepted requests of one collection.

    The owner's document normally arrives as a change of the bucket. If a request changed nothing, became a dead
    letter, or was lost with its stream, none arrives; then the bucket is read, and its content is shown.
    """

    def __init__(self, owned: Owned[DocT], *, projection: Projection, requests: Requests, arrivals: Arrivals) -> None:
        self._owned = owned
        self._projection = projection
        self._requests = requests
        self._arrivals = arrivals

    async def run(self) -> None:
        """The background loop."""
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await self.settle()
            except TransientError as error:
                log.warning("accepted requests wait for an answer", collection=self._owned.collection, error=str(error))

    async def settle(self) -> None:
        """Settle what can be settled now; nothing while the owner restores a lost bucket. Raises TransientError."""
        if await self._projection.stale(self._owned.collection):
            return
        for accepted in await self._projection.accepted(self._owned.collection):
            await self._settle(self._owned.collection, accepted)

    async def _settle(self, collection: Collection, accepted: Row) -> None:
        stream = REQUEST_STREAMS[collection]
        waiting = await self._requests.is_waiting(stream, accepted.sequence, accepted.event_id or "")
        # Read after that: the document of a request that is handled is there.
        answer = await self._owned.read(accepted.key)
        if waiting and not is_settled(accepted, answer):
            return
        await self._projection.settle(collection, accepted, answer)
        self._arrivals.announce()
