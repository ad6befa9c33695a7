"""The backend: the interfaces to the platform that runs servings, such as one machine or a cluster."""

from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.versions import ModelFacts, VersionSpec, VersionState
from kleverproto.variants import Variant
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import Deployment, ServingName, VersionKey

from .steps import OnStep


class Preparation(Protocol):
    """Makes models and environments of model servers available to workloads."""

    async def find(self, digest: str) -> ModelFacts | None:
        """The facts about a model that is prepared here; None if it is not."""
        ...

    async def prepare(self, spec: VersionSpec, on_step: OnStep) -> None:
        """Prepare everything that a version's replicas need. No effect if it is prepared already.

        Raises:
            ServingError: it cannot be prepared (`pull_failed`, `toolchain_failed`, `unsandboxed`, …).
            TransientError: a service does not respond.
        """
        ...

    async def retain(self, digests: Collection[str]) -> None:
        """Remove all models except these and those that are being prepared.

        Args:
            digests: the digests of all models that servings need.
        """
        ...


class Workloads(Protocol):
    """Model servers, by version. They are restarted when they exit, and outlive the deployer."""

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """The reason why a variant of a serving cannot run here, as a sentence; None if it can."""
        ...

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """Run this number of replicas of a version; replicas that already run are kept or adopted.

        Returns once the request is accepted; `states` reports the progress. A superfluous replica is stopped once no
        requests are routed to it and its requests in flight have completed.

        Args:
            spec: the specification of the replicas.
            replicas: the number of replicas; with autoscaling, the number that `Scaling` reports, which a platform
                with its own autoscaling may ignore.

        Raises:
            ServingError: the backend rejects the version; a retry does not help.
            TransientError: the backend does not respond.
        """
        ...

    async def remove(self, version: VersionKey) -> None:
        """Stop a version's replicas after their requests in flight; return when all have exited.

        No effect if there are none. Raises TransientError.
        """
        ...

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """The states of the versions of a serving, or of all servings; includes those of an earlier deployer."""
        ...

    async def changed(self) -> set[ServingName]:
        """Wait until the state of a version changes, and return the servings concerned."""
        ...


class DataPlane(Protocol):
    """The proxy in front of the model servers. Routes name versions; the proxy tracks their replicas' addresses."""

    @property
    def drain_seconds(self) -> float:
        """Longest wait of a change for requests in flight on the old route."""
        ...

    async def apply(self, route: ServingRoute) -> None:
        """Apply the route of a serving without failing a request.

        Returns once new requests take the new route, and requests on the old one have completed or had `drain_seconds`.

        Raises:
            RefusedByProxyError: the proxy rejects the route; a retry does not help. The old route stays in effect.
            DataPlaneError: the proxy does not respond. The old route stays in effect.
        """
        ...

    async def remove(self, serving: ServingName) -> None:
        """Respond with 404 for a serving; return once requests in flight have completed or had `drain_seconds`.

        Raises DataPlaneError.
        """
        ...

    def is_up(self) -> bool:
        """Return whether the proxy is known to run."""
        ...

    def refusal(self, route: ServingRoute) -> str | None:
        """The reason why the proxy cannot route requests like this, as a sentence; None if it is not known to refuse.

        The versions of the route need not run yet.
        """
        ...

    def served(self) -> set[ServingName]:
        """The servings that have a route, even while the proxy is down."""
        ...


class RequestCounts(Protocol):
    """Request counters, from the proxy itself or from a collector of its metrics."""

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """The counters of these versions, without versions that have none.

        Of a version, no counter decreases, unless the proxy that is asked restarts.

        Raises:
            DataPlaneError: the counters are not available now, or too old; the message is for people.
        """
        ...


class Scaling(Protocol):
    """The number of replicas of versions with autoscaling."""

    async def declare(self, serving: ServingName, deployments: Collection[Deployment]) -> dict[VersionKey, int]:
        """Scale the given versions that have autoscaling, and stop scaling all others of the serving.

        Args:
            serving: the serving of these versions.
            deployments: the versions, each with its initial number of replicas; empty if the serving is removed.

        Returns:
            The present number of replicas of each scaled version, within the bounds of its autoscaling.

        Raises:
            TransientError: the backend does not respond now.
        """
        ...

    async def changed(self) -> set[ServingName]:
        """Wait until the number of replicas of a version changes, and return the servings concerned."""
        ...


@dataclass(frozen=True)
class LogPart:
    """Lines that a replica has written."""

    version: VersionKey
    replica: int
    """The number of the replica within its version."""
    id: str
    """Unique among the parts of the replica."""
    lines: tuple[str, ...]


class ReplicaLogs(Protocol):
    """The output of replicas, in parts."""

    async def read(self) -> list[LogPart]:
        """The next part of each replica that has new output; the same part until it is acknowledged."""
        ...

    async def acknowledge(self, parts: Collection[LogPart]) -> None:
        """Continue after these parts; the position survives a restart of the deployer."""
        ...


class Backend(Protocol):
    """The platform that runs servings.

    It is entered before it is used, and runs background tasks. On exit, model servers and the proxy continue to run,
    and the next deployer adopts them.
    """

    @property
    def models(self) -> Preparation:
        """Models and environments."""
        ...

    @property
    def workloads(self) -> Workloads:
        """Model servers."""
        ...

    @property
    def data_plane(self) -> DataPlane:
        """The routes to model servers."""
        ...

    @property
    def requests(self) -> RequestCounts:
        """Request counters."""
        ...

    @property
    def scaling(self) -> Scaling:
        """Numbers of replicas."""
        ...

    @property
    def logs(self) -> ReplicaLogs:
        """The output of model servers."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def run(self) -> None:
        """Run the background tasks until cancelled."""
        ...

    async def problem(self) -> str | None:
        """Readiness check: the reason why servings cannot be served now, or None."""
        ...
