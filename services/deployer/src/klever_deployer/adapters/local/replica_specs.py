"""The replicas of versions on this machine: one process each."""

from dataclasses import dataclass
from pathlib import Path

from klever_deployer.domain.versions import ServingName, VersionKey
from kleverproto.references import ModelRef
from kleverproto.variants import Variant


@dataclass(frozen=True)
class LocalModel:
    """A model's files on this machine."""

    directory: Path
    """Holds ormbfile.yaml and `model/`."""
    format: str
    unverified: str = ""
    """See `ModelFacts`."""


@dataclass(frozen=True)
class Prepared:
    """A model with what serves it."""

    model: LocalModel
    runtime: str
    """The model server, or `custom`."""
    python: Path | None = None
    """Interpreter of the environment that the model needs; None for the deployer's own."""
    trust: tuple[str, ...] = ()
    """What the model's project trusts, as module:Name."""


@dataclass(frozen=True, order=True)
class ReplicaKey:
    """One process of a version; processes of a version are counted from 0."""

    serving: ServingName
    variant: str
    revision: str
    index: int

    @property
    def version(self) -> VersionKey:
        """The version that it is a replica of."""
        return VersionKey(self.serving, self.variant, self.revision)

    @property
    def id(self) -> str:
        """Safe as a file name."""
        return f"{self.serving.namespace}.{self.serving.name}.{self.variant}.{self.revision}.{self.index}"


def replica_key(version: VersionKey, index: int) -> ReplicaKey:
    """A replica of a version."""
    return ReplicaKey(version.serving, version.variant, version.revision, index)


@dataclass(frozen=True)
class ReplicaSpec:
    """What a replica runs."""

    key: ReplicaKey
    prepared: Prepared
    variant: Variant

    @property
    def version(self) -> str:
        """What it calls its version in answers: the tag."""
        return ModelRef.parse(self.variant.model).version


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int
    grpc_port: int = 0
    """0 where it takes no gRPC."""


@dataclass(frozen=True)
class ReplicaState:
    """How a replica is."""

    key: ReplicaKey
    endpoint: Endpoint | None = None
    """None while it does not run, or was not ready yet."""
    ready: bool = False
    """Whether it answers now that it takes requests; one that has an endpoint and is not ready is busy, or hangs."""
    restarts: int = 0
    """How often it was started again after it exited."""
    sandbox: str = ""
    """What it is confined by, for people."""
    failure: str | None = None
    """Why it will not start: the cause, and its last log lines. None while it may."""
