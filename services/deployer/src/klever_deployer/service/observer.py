"""Records the actual state of servings: a serving that does not respond is not Ready."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from klever_deployer.domain import availability
from klever_deployer.domain.intents import with_status
from klever_deployer.domain.outcomes import is_unannounced
from klever_deployer.domain.versions import VersionState
from kleverkit.errors import TransientError
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument
from kleverroutes.routing import Stage
from kleverroutes.versions import ServingName, deployments

from .records import Records, SupersededError, name_of
from .servers import Servers

log = structlog.get_logger(__name__)

CHECK_SECONDS = 0.5
START_SECONDS = 15.0
"""Longest wait until model servers that an earlier deployer has started are adopted and probed."""
RESTART_SECONDS = 1.0
"""Longest time that the proxy may be down before a serving is not Ready: requests wait while it restarts."""


@dataclass(frozen=True)
class _Observation:
    """The observed state of a serving."""

    states: list[VersionState]
    routed: bool


@dataclass
class Observer:
    """Compares the recorded status of applied servings with their replicas and routes.

    It runs independently of a serving's worker, which may wait for the proxy or for a model.

    Args:
        records: documents and events.
        servers: replicas and routes.
        clock: monotonic seconds.
    """

    records: Records
    servers: Servers
    clock: Callable[[], float] = time.monotonic
    _began: float | None = field(default=None)
    _proxy_up_at: float = field(default=0.0)
    """Time when the proxy was last observed running."""
    _stages: dict[ServingName, tuple[ServingDocument, Stage]] = field(default_factory=dict)
    """The applied stage of each serving, and the document from which it was derived."""

    async def run(self) -> None:
        """Compares all servings periodically, until cancelled."""
        self._began = None
        while True:
            await self.look()
            await asyncio.sleep(CHECK_SECONDS)

    async def look(self) -> None:
        """Compares every serving once, and records changes."""
        self._began = self.clock() if self._began is None else self._began
        states: dict[ServingName, list[VersionState]] = defaultdict(list)
        for state in self.servers.backend.workloads.states():
            states[state.key.serving].append(state)
        routed = self._routed()
        documents = self.records.copies.documents()
        self._stages = {name: self._stages[name] for name in map(name_of, documents) if name in self._stages}
        changed = []
        for document in documents:
            serving = name_of(document)
            observation = _Observation(states[serving], routed=serving in routed)
            if self._is_known(serving) and self._updated(document, observation) != document:
                changed.append(document)
        await asyncio.gather(*map(self._record, changed))

    async def _record(self, document: ServingDocument) -> None:
        try:
            await self.record(document)
        except (TransientError, SupersededError) as error:
            log.warning("state of serving not recorded, retrying", serving=str(name_of(document)), error=str(error))

    async def record(self, document: ServingDocument, stage: Stage | None = None) -> ServingDocument:
        """Record the present state of a serving, and publish an event if its phase changes. Raises as `Records.alter`.

        Args:
            document: of the serving.
            stage: the numbers of replicas that are wanted now; the recorded ones by default.
        """
        serving = name_of(document)
        observation = _Observation(self.servers.states(serving), routed=serving in self._routed())
        document = await self.records.alter(document, lambda present: self._updated(present, observation, stage))
        return await self.records.announce(document) if is_unannounced(document) else document

    def _updated(
        self, document: ServingDocument, observation: _Observation, stage: Stage | None = None
    ) -> ServingDocument:
        status, serving = document.status, name_of(document)
        if status.applied is None or not availability.is_applied(document) or is_unannounced(document):
            return document
        stage = stage or self._stage(document, status.applied)
        now = self.records.clock()
        document = with_status(document, now, url=self.servers.url(serving))  # the ingress may have moved
        return availability.observed(document, stage, observation.states, now, routed=observation.routed)

    def _routed(self) -> set[ServingName]:
        """The servings with a route, if the proxy runs or was running less than RESTART_SECONDS ago."""
        now = self.clock()
        data_plane = self.servers.backend.data_plane
        if data_plane.is_up():
            self._proxy_up_at = now
        return data_plane.served() if now - self._proxy_up_at < RESTART_SECONDS else set()

    def _stage(self, document: ServingDocument, applied: ServingSpec) -> Stage:
        serving = name_of(document)
        known = self._stages.get(serving)
        if known is None or known[0] is not document:
            stage = Stage(serving, applied, deployments(applied, document.status.variants))
            known = self._stages[serving] = (document, stage)
        return known[1]

    def _is_known(self, serving: ServingName) -> bool:
        """Return whether the serving's replicas are known; adopted replicas may serve before they are probed."""
        waited = self._began is not None and self.clock() - self._began >= START_SECONDS
        return waited or self.servers.has_adopted(serving)
