"""What the use cases need of the world."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kleverproto.conversions import ConvertedModel
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverproto.variants import Variant

from .domain.analysis import Counts
from .domain.replicas import LocalModel, ReplicaKey, ReplicaSpec, ReplicaState, ServingName
from .domain.routing import BackendKey, ServingRoute

OnStep = Callable[[str], Awaitable[None]]
"""Called with a step that takes a while, for people."""


class ModelCatalogue(Protocol):
    """What has been pushed."""

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        """The version's document. Raises TransientError."""
        ...

    async def is_deleted(self, ref: ModelRef) -> bool:
        """Whether it is known that the version was deleted, and not lost. Raises TransientError."""
        ...


class Policies(Protocol):
    """What is wanted of projects."""

    async def of(self, project: str) -> ProjectPolicy:
        """The project's policy; the default one where nobody has set any. Raises TransientError."""
        ...


class ModelStore(Protocol):
    """Models on this machine, by digest."""

    async def find(self, digest: str) -> LocalModel | None:
        """The model if it is here."""
        ...

    async def fetch(self, ref: ModelRef, digest: str, registry: str) -> LocalModel:
        """The model, pulled if it is not here. Raises ServingError (`pull_failed`, …), TransientError."""
        ...

    async def digests(self) -> set[str]:
        """The models that are here."""
        ...

    async def remove(self, digest: str) -> None:
        """Remove a model; nothing happens where it is not here."""
        ...


ServingCopy = ServingDocument | Tombstone[ServingDocument]
"""What the bucket holds of a serving."""


class CopyStore(Protocol):
    """Copies of what the servings' bucket holds, on the deployer's own disk."""

    async def read(self) -> dict[ServingName, ServingCopy]:
        """Every copy; one that cannot be read is left out."""
        ...

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """Replace a copy: after a crash there is the old one or the new one. Raises OSError."""
        ...

    async def remove(self, serving: ServingName) -> None:
        """Remove a copy; nothing happens where there is none. Raises OSError."""
        ...


class Toolchains(Protocol):
    """Environments that model servers run in."""

    def is_installed(self, name: str) -> bool:
        """Whether it is there, so that `ensure` takes no minutes."""
        ...

    async def ensure(self, name: str) -> Path:
        """Its interpreter; installed first where it is missing. Raises ServingError (`toolchain_failed`)."""
        ...


class Conversions(Protocol):
    """Models made of others."""

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        """What was made of a model. Raises TransientError."""
        ...

    async def make(
        self, model: ModelDocument, digest: str, model_format: str, target: str, on_step: OnStep
    ) -> ConvertedModel:
        """Have it made, and wait. Raises ServingError (`conversion_failed`), TransientError.

        Args:
            model: what it is made of.
            digest: the manifest.
            model_format: its format.
            target: the format that is wanted.
            on_step: called when the wait takes longer than it should.
        """
        ...

    def routes(self, model_format: str) -> tuple[str, ...]:
        """The formats that a format can be converted to."""
        ...


class Workloads(Protocol):
    """Model servers. They are restarted when they end by themselves, and outlive a crash of the deployer."""

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """Why a variant of a serving in a namespace cannot run here, for people; None where it can."""
        ...

    async def start(self, spec: ReplicaSpec) -> None:
        """Make a replica run; nothing happens where it runs already."""
        ...

    async def stop(self, key: ReplicaKey) -> None:
        """Let a replica finish its requests and end; nothing happens where there is none."""
        ...

    def states(self) -> list[ReplicaState]:
        """Every replica there is."""
        ...

    async def changed(self) -> set[ServingName]:
        """Wait until some replica is in another state; the servings concerned."""
        ...


@dataclass(frozen=True)
class LogPart:
    """Lines that a replica has written."""

    key: ReplicaKey
    id: str
    """Tells the part from all others of the replica."""
    end: int
    """Where the next part begins."""
    lines: tuple[str, ...]


class ReplicaLogs(Protocol):
    """What replicas write, in parts; a part comes again until it is taken."""

    def read(self) -> list[LogPart]:
        """The next part of each replica that has written something."""
        ...

    def taken(self, parts: list[LogPart]) -> None:
        """These need not come again."""
        ...

    def close(self) -> None:
        """Let go of what is read."""
        ...


class DataPlane(Protocol):
    """The proxy in front of the model servers."""

    async def apply(self, route: ServingRoute) -> None:
        """Route a serving's requests so, without dropping one: returns when nothing flows by the old route.

        Raises:
            RefusedByProxyError: the proxy refuses it, and will again; what was there still holds.
            DataPlaneError: the proxy does not answer now; what was there still holds.
        """
        ...

    def is_up(self) -> bool:
        """Whether the proxy runs, as far as is known."""
        ...

    def served(self) -> set[ServingName]:
        """The servings that the proxy has a route for, once it runs."""
        ...

    async def counts(self, backends: set[BackendKey]) -> dict[BackendKey, Counts]:
        """What was counted of these so far; nothing of those that the proxy does not know. Raises DataPlaneError."""
        ...

    async def remove(self, serving: ServingName) -> None:
        """Answer 404 for a serving; returns when its requests in flight have ended. Raises DataPlaneError."""
        ...
