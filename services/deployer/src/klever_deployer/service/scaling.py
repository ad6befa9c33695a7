"""Keeps the number of replicas of every variant that is to follow its requests."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.replicas import Deployment, ServingName
from klever_deployer.domain.routing import BackendKey, Stage
from klever_deployer.domain.scaling import Demand, Scale
from klever_deployer.ports import DataPlane
from kleverkit.errors import TransientError
from kleverproto.variants import Autoscaling

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


@dataclass
class _Watched:
    """A variant that scales."""

    scaling: Autoscaling
    scale: Scale
    counted: Counts | None = None


class Scaler:
    """Looks at the requests of variants with autoscaling, and says how many replicas they should have.

    Args:
        data_plane: counts requests.
        clock: seconds, growing.
    """

    def __init__(self, data_plane: DataPlane, clock: Callable[[], float] = time.monotonic) -> None:
        self._data_plane = data_plane
        self._clock = clock
        self._watched: dict[BackendKey, _Watched] = {}
        self._changed: set[ServingName] = set()
        self._change = asyncio.Event()

    async def changed(self) -> set[ServingName]:
        """Wait until some variant should have another number of replicas; the servings concerned."""
        await self._change.wait()
        self._change.clear()
        changed, self._changed = self._changed, set()
        return changed

    def scaled(self, stage: Stage) -> Stage:
        """The stage with the numbers of replicas that its variants should have now; they are watched from here on."""
        for key in [key for key in self._watched if key.serving == stage.serving]:
            if (key.variant, key.revision) not in {each.version_key for each in stage.running}:
                del self._watched[key]
        return replace(
            stage,
            wanted=tuple(self._scaled(stage.serving, each) for each in stage.wanted),
            stable=tuple(self._scaled(stage.serving, each) for each in stage.stable),
        )

    def forget(self, serving: ServingName) -> None:
        """The serving is gone."""
        for key in [key for key in self._watched if key.serving == serving]:
            del self._watched[key]

    def wake(self, backend: BackendKey) -> None:
        """A request waits for this variant."""
        watched = self._watched.get(backend)
        if watched is not None and watched.scale.replicas == 0:
            log.info("waking a variant", backend=backend.name)
            watched.scale.wake()
            self._on_change(backend.serving)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except TransientError as error:
                log.warning("the requests in flight cannot be seen now", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once. Raises TransientError."""
        if not self._watched:
            return
        counted = await self._data_plane.counts(set(self._watched))
        for key, counts in counted.items():
            watched = self._watched.get(key)
            if watched is None:
                continue
            before = watched.scale.replicas
            after = watched.scale.look(_demand(watched.counted, counts), watched.scaling, self._clock())
            watched.counted = counts
            if before != after:
                log.info("scaling", backend=key.name, before=before, after=after)
                self._on_change(key.serving)

    def _on_change(self, serving: ServingName) -> None:
        self._changed.add(serving)
        self._change.set()

    def _scaled(self, serving: ServingName, deployment: Deployment) -> Deployment:
        scaling = deployment.variant.autoscaling
        key = BackendKey(serving, *deployment.version_key)
        if scaling is None:
            self._watched.pop(key, None)
            return deployment
        watched = self._watched.setdefault(key, _Watched(scaling, Scale(deployment.replicas)))
        watched.scaling = scaling
        number = min(max(watched.scale.replicas, scaling.min_replicas), scaling.max_replicas)
        watched.scale.replicas = number
        return replace(deployment, replicas=number)


def _demand(before: Counts | None, now: Counts) -> Demand:
    answered = now.requests - before.requests if before is not None else 0
    return Demand(in_flight=now.active, requests=max(0, answered))
