"""Model servers as processes on this machine."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from klever_deployer.domain.versions import VersionSpec, VersionState
from klever_deployer.errors import ServingError
from kleverkit.errors import TransientError
from kleverkit.notices import Notices
from kleverproto.variants import Variant
from kleverroutes.versions import ServingName, VersionKey

from .launcher import Launcher
from .placed_routes import Endpoints
from .replica_processes import ReplicaProcesses
from .replica_specs import Endpoint, Prepared, ReplicaKey, ReplicaSpec, ReplicaState, replica_key

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class _Applied:
    """The specification and number of replicas of a version that were applied last."""

    spec: VersionSpec
    replicas: int


class LocalWorkloads:
    """See `ports.Workloads`: the replicas of a version are processes, counted from 0.

    Args:
        make_replicas: creates the processes, with a callback for changes.
        launcher: decides whether a variant can run here.
        prepared: returns the prepared model and server of a version.
    """

    def __init__(
        self,
        make_replicas: Callable[[Callable[[ReplicaState], None]], ReplicaProcesses],
        launcher: Launcher,
        prepared: Callable[[VersionSpec], Awaitable[Prepared]],
    ) -> None:
        self.replicas = make_replicas(self._on_change)
        self.moved: Notices[ServingName] = Notices()
        """Servings whose replicas have changed, so that the proxy must be updated."""
        self._launcher = launcher
        self._prepared = prepared
        self._applied: dict[VersionKey, _Applied] = {}
        self._leaving: dict[ReplicaKey, asyncio.Task[None]] = {}
        """Replicas that are being withdrawn, and the tasks that stop them."""
        self._changed: Notices[ServingName] = Notices()
        self._withdraw: Callable[[ServingName], Awaitable[None]] = _nothing_to_withdraw

    def withdraw_by(self, withdraw: Callable[[ServingName], Awaitable[None]]) -> None:
        """Await this function before a replica is stopped; it returns once requests go only to `endpoints`."""
        self._withdraw = withdraw

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`."""
        return self._launcher.refusal(serving.namespace, variant)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. Processes that an earlier deployer has started for the version are adopted."""
        self._applied[spec.key] = _Applied(spec, replicas)
        wanted = [replica_key(spec.key, index) for index in range(replicas)]
        for key in wanted:
            await self._keep(key)
        if missing := [key for key in wanted if not self.replicas.is_running(key)]:
            prepared = await self._prepared(spec)
            for key in missing:
                await self.replicas.start(ReplicaSpec(key, prepared, spec.variant))
        for key in self._keys(spec.key):
            if key.index >= replicas and key not in self._leaving:
                self._leaving[key] = asyncio.create_task(self._retire(key))

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`. Completes even when the caller is cancelled."""
        self._applied.pop(version, None)
        keys = [key for key in self.replicas.all_keys() if key.version == version]
        for key in keys:
            await self._keep(key)
        await asyncio.gather(*(self.replicas.stop(key) for key in keys))

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        by_version: defaultdict[VersionKey, list[ReplicaState]] = defaultdict(list)
        for version in self._applied:
            if serving is None or version.serving == serving:
                by_version[version] = []
        for state in self.replicas.states(serving):
            by_version[state.key.version].append(state)
        return [_state(version, self._applied.get(version), states) for version, states in by_version.items()]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        return await self._changed.take()

    def endpoints(self, version: VersionKey) -> Endpoints:
        """The replicas to send requests to: the ready ones, or if there are none, those that may only be busy."""
        states = self._present(version)
        ready = [state.endpoint for state in states if state.ready]
        endpoints = ready or [state.endpoint for state in states]
        return tuple(endpoint for endpoint in endpoints if endpoint is not None)

    def ready_endpoint(self, version: VersionKey) -> Endpoint | None:
        """A ready replica, if there is one. Raises LookupError if a replica does not start."""
        states = self._present(version)
        for state in states:
            if state.ready and state.endpoint is not None:
                return state.endpoint
        failures = [state.failure for state in states if state.failure]
        if failures:
            raise LookupError(f"the model server does not start: {failures[0]}")
        return None

    async def abandon(self) -> None:
        """Stop monitoring, and leave the processes to the next deployer."""
        for key in list(self._leaving):
            await self._keep(key)
        self._applied.clear()
        await self.replicas.abandon()

    def _present(self, version: VersionKey) -> list[ReplicaState]:
        """The replicas that are not being stopped, in order."""
        states = (each for each in self.replicas.states(version.serving) if each.key.version == version)
        return sorted((each for each in states if each.key not in self._leaving), key=lambda state: state.key)

    def _keys(self, version: VersionKey) -> list[ReplicaKey]:
        return [state.key for state in self.replicas.states(version.serving) if state.key.version == version]

    async def _keep(self, key: ReplicaKey) -> None:
        """Cancels the retirement of a replica, unless the replica is already being stopped."""
        if (task := self._leaving.pop(key, None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _retire(self, key: ReplicaKey) -> None:
        """Stops a replica once no request is sent to it; retries until that succeeds."""
        while True:
            try:
                await self._withdraw(key.serving)
                await self.replicas.stop(key)
            except Exception as error:
                known = isinstance(error, TransientError | ServingError | OSError)
                log.warning("replica not stopped, retrying", replica=key.id, error=str(error), exc_info=not known)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._leaving.pop(key, None)
                return

    def _on_change(self, state: ReplicaState) -> None:
        self._changed.add(state.key.serving)
        self.moved.add(state.key.serving)


async def _nothing_to_withdraw(_serving: ServingName) -> None:
    return


def _state(version: VersionKey, applied: _Applied | None, replicas: Sequence[ReplicaState]) -> VersionState:
    """The state of a version from its replicas; those of an earlier deployer count once they are applied."""
    if applied is None:
        return VersionState(version)
    counted = [state for state in replicas if state.key.index < applied.replicas]
    model = applied.spec.model
    return VersionState(
        version,
        desired=applied.replicas,
        ready=sum(state.ready for state in counted),
        restarts=sum(state.restarts for state in counted),
        problem=_first(state.failure for state in sorted(counted, key=lambda state: state.key)),
        runtime=applied.spec.runtime,
        made=model.made,
        unverified=model.facts.unverified,
        sandbox=_first(state.sandbox for state in counted) or "",
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next(filter(None, values), None)
