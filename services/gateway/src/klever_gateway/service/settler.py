"""Settles accepted requests whose answer was lost, or did not change the bucket."""

import asyncio
from typing import Generic, TypeVar

import structlog

from klever_gateway.domain.rows import REQUEST_STREAMS, Collection, Row, is_settled
from klever_gateway.ports import Projection, Requests
from kleverkit.errors import TransientError
from kleverproto.base import WireModel

from .arrivals import Arrival, Arrivals
from .owners import Owned

DocT = TypeVar("DocT", bound=WireModel)

SETTLE_SECONDS = 2.0
"""Pause between two checks of the requests without an answer."""

log = structlog.get_logger(__name__)


class Settler(Generic[DocT]):
    """Settles the accepted requests of one collection.

    The owner's document normally arrives as a change of the bucket. No change arrives if the request changed nothing,
    became a dead letter, or was lost with its stream. In these cases the settler shows the content of the bucket.
    """

    def __init__(self, owned: Owned[DocT], *, projection: Projection, requests: Requests, arrivals: Arrivals) -> None:
        self._owned = owned
        self._projection = projection
        self._requests = requests
        self._arrivals = arrivals

    async def run(self) -> None:
        """Settle requests forever. Retries after errors."""
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await self.settle()
            except TransientError as error:
                log.warning("accepted requests wait for an answer", collection=self._owned.collection, error=str(error))

    async def settle(self) -> None:
        """Settle the requests that have an answer, unless a lost bucket is being restored. Raises TransientError."""
        if await self._projection.stale(self._owned.collection):
            return
        for accepted in await self._projection.accepted(self._owned.collection):
            await self._settle(self._owned.collection, accepted)

    async def _settle(self, collection: Collection, accepted: Row) -> None:
        stream = REQUEST_STREAMS[collection]
        waiting = await self._requests.is_waiting(stream, accepted.sequence, accepted.event_id or "")
        # Read after that check: then the bucket has the document of a handled request.
        answer = await self._owned.read(accepted.key)
        if waiting and not is_settled(accepted, answer):
            return
        await self._projection.settle(collection, accepted, answer)
        self._arrivals.announce(Arrival(collection, accepted.key))
