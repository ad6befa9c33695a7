"""Keys, specifications and states of replicas on this machine; each replica is one process."""

from dataclasses import dataclass
from pathlib import Path

from kleverproto.references import ModelRef
from kleverproto.variants import Variant
from kleverroutes.versions import ServingName, VersionKey


@dataclass(frozen=True)
class LocalModel:
    """A model's files on this machine."""

    directory: Path
    """Directory with ormbfile.yaml and `model/`."""
    format: str
    unverified: str = ""
    """See `ModelFacts`."""


@dataclass(frozen=True)
class Prepared:
    """A prepared model, and the server and environment for it."""

    model: LocalModel
    runtime: str
    """The model server, or `custom`."""
    python: Path | None = None
    """Interpreter of the model's environment; None for the deployer's own."""
    trust: tuple[str, ...] = ()
    """Names that the model's project trusts, as module:Name."""


@dataclass(frozen=True, order=True)
class ReplicaKey:
    """The key of one process of a version; the index begins at 0."""

    serving: ServingName
    variant: str
    revision: str
    index: int

    @property
    def version(self) -> VersionKey:
        """The version of the replica."""
        return VersionKey(self.serving, self.variant, self.revision)

    @property
    def id(self) -> str:
        """The key as text, safe for file names."""
        return f"{self.serving.namespace}.{self.serving.name}.{self.variant}.{self.revision}.{self.index}"


def replica_key(version: VersionKey, index: int) -> ReplicaKey:
    """The key of a version's replica."""
    return ReplicaKey(version.serving, version.variant, version.revision, index)


@dataclass(frozen=True)
class ReplicaSpec:
    """The specification of a replica."""

    key: ReplicaKey
    prepared: Prepared
    variant: Variant

    @property
    def version(self) -> str:
        """The version that the server reports in responses: the tag."""
        return ModelRef.parse(self.variant.model).version


@dataclass(frozen=True)
class Endpoint:
    """The address of a server."""

    host: str
    port: int
    grpc_port: int = 0
    """0 if the server does not support gRPC."""


@dataclass(frozen=True)
class ReplicaState:
    """The observed state of a replica."""

    key: ReplicaKey
    endpoint: Endpoint | None = None
    """None while the replica does not run, or was not ready yet."""
    ready: bool = False
    """True if the last probe succeeded; a replica with an endpoint that is not ready is busy, or hangs."""
    restarts: int = 0
    """Number of restarts."""
    sandbox: str = ""
    """A description of the sandbox, for people."""
    failure: str | None = None
    """The reason why the replica does not start, with its last log lines; None while it may start."""
