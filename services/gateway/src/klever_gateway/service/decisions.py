"""The deployer's decisions about requests with a precondition."""

import asyncio
from collections import OrderedDict
from dataclasses import replace

import structlog

from klever_gateway.domain.positions import Interest
from klever_gateway.ports import Entry, EventLog
from kleverkit.errors import TransientError
from kleverproto.catalogue import BY_DATA
from kleverproto.preconditions import ServingRequestDecided

from .arrivals import Arrivals

REMEMBERED = 10_000
"""Number of decisions to keep: a client may repeat its request here after another gateway has stopped."""
RETRY_SECONDS = 1.0
INTEREST = Interest(types=frozenset({BY_DATA[ServingRequestDecided].type}))

log = structlog.get_logger(__name__)


class Decisions:
    """Follows the decisions about the requests of all gateways.

    Args:
        event_log: the streams that carry the decisions.
        wait_seconds: the longest wait for a decision.
    """

    def __init__(self, event_log: EventLog, *, wait_seconds: float) -> None:
        self._event_log = event_log
        self._wait_seconds = wait_seconds
        self._arrivals = Arrivals()
        self._by_request: OrderedDict[str, ServingRequestDecided] = OrderedDict()
        self._is_following = False

    async def run(self) -> None:
        """Follow the decisions forever. Retries after errors."""
        while True:
            try:
                await self._follow()
            except TransientError as error:
                log.warning("decisions are not followed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def check(self) -> str | None:
        """Readiness check: return a problem while decisions are not followed, because this gateway would miss them."""
        return None if self._is_following else "the decisions about requests are not followed yet"

    async def wait_for(self, request_id: str, serving: str) -> ServingRequestDecided | None:
        """Return the decision about a request; None if it is not published in time.

        Also reads the stream: the decision may be older than this gateway, if the request is a repeated one.

        Args:
            request_id: the id of the request's event.
            serving: `namespace/name`.
        """

        async def find_decision() -> ServingRequestDecided | None:
            return self._by_request.get(request_id)

        decided = await self._arrivals.wait_for(find_decision, self._wait_seconds)
        return decided or await self._find_published(request_id, serving)

    async def _find_published(self, request_id: str, serving: str) -> ServingRequestDecided | None:
        try:
            entries = await self._event_log.recent(replace(INTEREST, subject=serving), REMEMBERED)
        except TransientError as error:
            log.warning("decisions cannot be read", serving=serving, error=str(error))
            return None
        events = (entry.event for entry in entries if entry.event.causation_id == request_id)
        return next((event.data for event in events if isinstance(event.data, ServingRequestDecided)), None)

    async def _follow(self) -> None:
        position = await self._event_log.end()
        async with self._event_log.follow(position, INTEREST) as next_step:
            self._is_following = True
            while True:
                step = await next_step()
                if isinstance(step, Entry) and isinstance(step.event.data, ServingRequestDecided):
                    self._remember(step.event.causation_id or "", step.event.data)

    def _remember(self, request_id: str, decided: ServingRequestDecided) -> None:
        self._by_request[request_id] = decided
        while len(self._by_request) > REMEMBERED:
            self._by_request.popitem(last=False)
        self._arrivals.announce()
