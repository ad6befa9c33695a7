"""Scales versions by the requests in flight that the proxy counts."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.scale import Demand, Scale
from klever_deployer.ports import RequestCounts
from kleverkit.errors import TransientError
from kleverkit.notices import Notices
from kleverproto.variants import Autoscaling
from kleverroutes.versions import Deployment, ServingName, VersionKey

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0


@dataclass
class _Scaled:
    """A version with autoscaling."""

    autoscaling: Autoscaling
    scale: Scale
    counts: Counts | None = None

    def bound(self) -> int:
        """The number of replicas, within the present bounds."""
        least, most = self.autoscaling.min_replicas, self.autoscaling.max_replicas
        self.scale.replicas = min(max(self.scale.replicas, least), most)
        return self.scale.replicas


class RequestScaling:
    """See `ports.Scaling`.

    Args:
        requests: the request counters.
        clock: monotonic seconds.
    """

    def __init__(self, requests: RequestCounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = requests
        self._clock = clock
        self._scaled: dict[VersionKey, _Scaled] = {}
        self._changed: Notices[ServingName] = Notices()

    async def declare(self, serving: ServingName, deployments: Collection[Deployment]) -> dict[VersionKey, int]:
        """See `Scaling`."""
        wanted = {each.key(serving): each for each in deployments}
        for key in [key for key in self._scaled if key.serving == serving]:
            if key not in wanted or wanted[key].variant.autoscaling is None:
                del self._scaled[key]
        for key, deployment in wanted.items():
            if (autoscaling := deployment.variant.autoscaling) is not None:
                scaled = self._scaled.setdefault(key, _Scaled(autoscaling, Scale(deployment.replicas)))
                scaled.autoscaling = autoscaling
        return {key: self._scaled[key].bound() for key in wanted if key in self._scaled}

    def reset(self) -> None:
        """Forget the versions: another deployer scales them from now on."""
        self._scaled.clear()

    async def changed(self) -> set[ServingName]:
        """See `Scaling`."""
        return await self._changed.take()

    def wake(self, version: VersionKey) -> None:
        """Scale a version without replicas to one replica, for a waiting request."""
        scaled = self._scaled.get(version)
        if scaled is not None and scaled.scale.replicas == 0:
            log.info("starting a replica of an idle version", version=version.name)
            scaled.scale.wake()
            self._changed.add(version.serving)

    async def run(self) -> None:
        """Reads the counters periodically, until cancelled."""
        while True:
            try:
                await self.look()
            except TransientError as error:
                log.warning("requests in flight not read, retrying", error=str(error))
            await asyncio.sleep(CHECK_SECONDS)

    async def look(self) -> None:
        """Read the counters once, and scale. Raises TransientError."""
        if not self._scaled:
            return
        counted = await self._requests.counts(set(self._scaled))
        for key, counts in counted.items():
            scaled = self._scaled.get(key)
            if scaled is None:
                continue
            before = scaled.scale.replicas
            after = scaled.scale.look(_demand(scaled.counts, counts), scaled.autoscaling, self._clock())
            scaled.counts = counts
            if before != after:
                log.info("scaling", version=key.name, before=before, after=after)
                self._changed.add(key.serving)


def _demand(before: Counts | None, now: Counts) -> Demand:
    answered = now.requests - before.requests if before is not None else 0
    return Demand(in_flight=now.active, requests=max(0, answered))
