"""Which model servers a serving needs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import VariantStatus
from kleverproto.variants import Variant

SHORT = 12
"""Hex digits of a revision."""
VersionKey = tuple[str, str]
"""Variant and revision."""
CUSTOM = "custom"
"""What is recorded as the runtime of a server of the user's own."""


@dataclass(frozen=True, order=True)
class ServingName:
    """A serving in a namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class LocalModel:
    """A model's files on this machine."""

    directory: Path
    """Holds ormbfile.yaml and `model/`."""
    format: str
    made: str = ""
    """`project/model:version@digest` of what the platform has made of a model that nothing serves as it is."""
    unverified: str = ""
    """Of a converted model, why it was not compared with its source."""


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
    """One model server process. Another revision is another replica, so that old and new can run side by side."""

    serving: ServingName
    variant: str
    revision: str
    index: int

    @property
    def id(self) -> str:
        """Safe as a file name."""
        return f"{self.serving.namespace}.{self.serving.name}.{self.variant}.{self.revision}.{self.index}"


@dataclass(frozen=True)
class Deployment:
    """A variant, its digest resolved, with how many replicas of it are wanted now."""

    variant: Variant
    replicas: int

    @cached_property
    def revision(self) -> str:
        """What tells the processes of one version from those of another: the bytes, and how they are run."""
        facts = self.variant.model_dump(mode="json", exclude={"name", "model", "replicas", "autoscaling"})
        facts["version"] = ModelRef.parse(self.variant.model).version  # answers name it
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:SHORT]

    @property
    def version_key(self) -> VersionKey:
        """What sets it apart within its serving."""
        return self.variant.name, self.revision

    @property
    def digest(self) -> str:
        """Of the model's manifest. Raises ValueError where it was not resolved."""
        if self.variant.digest is None:
            raise ValueError(f"variant {self.variant.name} has no digest")
        return self.variant.digest

    @property
    def can_be_idle(self) -> bool:
        """Whether it may have no replica at all."""
        return self.variant.autoscaling is not None and self.variant.autoscaling.min_replicas == 0


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
    """Where a replica listens."""

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
    """How often it has ended by itself."""
    runtime: str = ""
    """The model server that it is, or `custom`."""
    made: str = ""
    """See `LocalModel`."""
    unverified: str = ""
    """See `LocalModel`."""
    sandbox: str = ""
    """What it is confined by, for people."""
    failure: str | None = None
    """Why it will not start: the cause, and its last log lines. None while there is hope."""


def deployments(spec: ServingSpec | None, known: Iterable[VariantStatus]) -> tuple[Deployment, ...]:
    """The variants of a spec, each with the number of replicas that was last wanted of it.

    Args:
        spec: with its digests; None for nothing.
        known: what is recorded; another number than the spec's comes from autoscaling.
    """
    counts = {(status.name, status.revision): status.replicas for status in known}
    first = [Deployment(variant, first_replicas(variant)) for variant in (spec.variants if spec else ())]
    return tuple(
        Deployment(each.variant, _within(each.variant, counts.get((each.variant.name, each.revision), each.replicas)))
        for each in first
    )


def first_replicas(variant: Variant) -> int:
    """How many replicas a variant begins with."""
    return _within(variant, variant.replicas)


def _within(variant: Variant, replicas: int) -> int:
    scaling = variant.autoscaling
    if scaling is None:
        return variant.replicas
    return min(max(replicas, scaling.min_replicas), scaling.max_replicas)


def replica_keys(serving: ServingName, wanted: Iterable[Deployment]) -> list[ReplicaKey]:
    """The replicas of these variants."""
    return [
        ReplicaKey(serving, each.variant.name, each.revision, index)
        for each in wanted
        for index in range(each.replicas)
    ]


def replica_specs(
    serving: ServingName, wanted: Iterable[Deployment], prepared: dict[VersionKey, Prepared]
) -> list[ReplicaSpec]:
    """The replicas of these variants, with what they run."""
    return [
        ReplicaSpec(key, prepared[each.version_key], each.variant)
        for each in wanted
        for key in replica_keys(serving, [each])
    ]


def statuses(
    serving: ServingName,
    wanted: Iterable[Deployment],
    states: Iterable[ReplicaState],
    *,
    weights: dict[tuple[str, str], int],
) -> tuple[VariantStatus, ...]:
    """The variants as they are recorded.

    Args:
        serving: whose they are.
        wanted: what runs of it.
        states: all replicas.
        weights: variant and revision to percent of the traffic.
    """
    found = {state.key: state for state in states}
    result = []
    for each in wanted:
        keys = replica_keys(serving, [each])
        present = [found[key] for key in keys if key in found]
        result.append(
            VariantStatus(
                name=each.variant.name,
                model=each.variant.model,
                digest=each.digest,
                revision=each.revision,
                runtime=present[0].runtime if present else "",
                made=present[0].made if present else "",
                unverified=present[0].unverified if present else "",
                sandbox=present[0].sandbox if present else "",
                replicas=each.replicas,
                ready_replicas=sum(state.ready for state in present),
                restarts=sum(state.restarts for state in present),
                weight=weights.get((each.variant.name, each.revision), 0),
            )
        )
    return tuple(result)


def superfluous(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[ReplicaState]) -> list[ReplicaKey]:
    """The replicas of a serving that none of these variants needs."""
    needed = set(replica_keys(serving, wanted))
    return [state.key for state in states if state.key.serving == serving and state.key not in needed]


def are_ready(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[ReplicaState]) -> bool:
    """Whether every replica of these variants takes requests."""
    ready = {state.key for state in states if state.ready}
    return ready.issuperset(replica_keys(serving, wanted))


def last_words(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[ReplicaState]) -> str | None:
    """Why a replica that is needed does not start, as a sentence; None while there is hope for all of them."""
    needed = set(replica_keys(serving, wanted))
    failed = sorted((state for state in states if state.key in needed and state.failure), key=lambda state: state.key)
    if not failed:
        return None
    return f"the model server of variant {failed[0].key.variant} does not start: {failed[0].failure}"
