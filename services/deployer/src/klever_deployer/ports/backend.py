"""A backend: everything that the deployer needs of the substrate on which servings run."""

from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.routing import ServingRoute
from klever_deployer.domain.versions import Deployment, ModelFacts, ServingName, VersionKey, VersionSpec, VersionState
from kleverproto.variants import Variant

from .steps import OnStep


class Preparation(Protocol):
    """Models, and environments of model servers, where workloads find them."""

    async def find(self, digest: str) -> ModelFacts | None:
        """What is known here of a model that was prepared before; None where it was not."""
        ...

    async def prepare(self, spec: VersionSpec, on_step: OnStep) -> None:
        """Have everything ready that a version's replicas need; nothing happens where it is.

        Raises:
            ServingError: it cannot be (`pull_failed`, `toolchain_failed`, `unsandboxed`, …).
            TransientError: something does not answer now.
        """
        ...

    async def retain(self, digests: Collection[str]) -> None:
        """Remove the models that are none of these, but for those that are being prepared.

        Args:
            digests: of the models that servings need, all of which are known.
        """
        ...


class Workloads(Protocol):
    """Model servers, by version. They are restarted when they exit, and outlive the deployer."""

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """Why a variant of a serving in a namespace cannot run here, for people; None where it can."""
        ...

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """Have so many replicas of a version run; those that run already are kept, or adopted.

        Returns once this is accepted; `states` says how far it is. A replica that is no longer needed stops after
        requests are no longer routed to it, and has answered those that it has.

        Args:
            spec: what they run.
            replicas: how many; for a variant with autoscaling the number that `Scaling` reports, which a platform
                that scales by itself does not need.

        Raises:
            ServingError: the backend refuses it, and will again.
            TransientError: it does not answer now.
        """
        ...

    async def remove(self, version: VersionKey) -> None:
        """Let a version's replicas finish their requests and exit; returns when none is left.

        Nothing happens where there is none. Raises TransientError.
        """
        ...

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """The versions of a serving, or of all servings; also those that an earlier deployer has left."""
        ...

    async def changed(self) -> set[ServingName]:
        """Wait until some version is in another state; the servings concerned."""
        ...


class DataPlane(Protocol):
    """The proxy in front of the model servers. Routes name versions; it follows where their replicas are."""

    @property
    def drain_seconds(self) -> float:
        """The longest time for which a change waits for requests that are in flight by the old route."""
        ...

    async def apply(self, route: ServingRoute) -> None:
        """Route a serving's requests so, without failing one.

        Returns once every new request takes the new route, and those by the old one have ended or had `drain_seconds`.

        Raises:
            RefusedByProxyError: the proxy refuses it, and will again; what was there still holds.
            DataPlaneError: the proxy does not answer now; what was there still holds.
        """
        ...

    async def remove(self, serving: ServingName) -> None:
        """Answer 404 for a serving; returns once requests in flight have ended or had `drain_seconds`.

        Raises DataPlaneError.
        """
        ...

    def is_up(self) -> bool:
        """Whether the proxy runs, as far as is known."""
        ...

    def served(self) -> set[ServingName]:
        """The servings that the proxy has a route for, once it runs."""
        ...


class RequestCounts(Protocol):
    """What was counted of requests: by the proxy itself, or by what collects its metrics."""

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """What was counted of these so far; those of which nothing is known are left out. Raises DataPlaneError."""
        ...


class Scaling(Protocol):
    """The number of replicas of versions with autoscaling."""

    async def declare(self, serving: ServingName, deployments: Collection[Deployment]) -> dict[VersionKey, int]:
        """Scale those of these versions that have autoscaling, from now on, and no others of the serving.

        Args:
            serving: whose they are; none of them means that the serving is gone.
            deployments: each with the number of replicas that it begins with where it was not scaled before.

        Returns:
            How many replicas each of them should have now, within the bounds of its autoscaling.

        Raises:
            TransientError: the backend does not answer now.
        """
        ...

    async def changed(self) -> set[ServingName]:
        """Wait until some version should have another number of replicas; the servings concerned."""
        ...


@dataclass(frozen=True)
class LogPart:
    """Lines that a replica has written."""

    version: VersionKey
    replica: int
    """Which of the version's replicas."""
    id: str
    """Sets the part apart from all others of the replica."""
    lines: tuple[str, ...]


class ReplicaLogs(Protocol):
    """What replicas write, in parts."""

    async def read(self) -> list[LogPart]:
        """The next part of each replica that has written something; the same one until it is acknowledged."""
        ...

    async def acknowledge(self, parts: Collection[LogPart]) -> None:
        """Continue after these parts, also in the next deployer."""
        ...


class Backend(Protocol):
    """Where servings run: everything that the deployer needs of one substrate.

    It is entered before it is used, and runs in the background. Exiting stops nothing that serves: the next deployer
    enters and adopts it.
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
        """Routes to them."""
        ...

    @property
    def requests(self) -> RequestCounts:
        """What was counted of requests."""
        ...

    @property
    def scaling(self) -> Scaling:
        """Numbers of replicas."""
        ...

    @property
    def logs(self) -> ReplicaLogs:
        """What model servers write."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def run(self) -> None:
        """Do what has to be done in the background, until cancelled."""
        ...

    async def problem(self) -> str | None:
        """A readiness check: why servings cannot be served now; None where they can."""
        ...
