"""What should run for a serving, and what may go; pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kleverproto.references import ModelRef
from kleverproto.servings import ServingSpec, VariantStatus

RUNTIMES = {"ONNX": "kleverserve"}
"""Format to the model server that serves it."""

SHORT = 12
"""Hex digits of a revision."""


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
    format: str


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
class ReplicaSpec:
    """What a replica runs."""

    key: ReplicaKey
    model: LocalModel
    version: str
    """What it calls its version in answers: the tag."""


@dataclass(frozen=True)
class Endpoint:
    """Where a replica listens."""

    host: str
    port: int


@dataclass(frozen=True)
class ReplicaState:
    """How a replica is."""

    key: ReplicaKey
    endpoint: Endpoint | None = None
    """None while it does not run."""
    ready: bool = False
    restarts: int = 0
    """How often it has ended by itself."""
    failure: str | None = None
    """Why it will not start: its last log lines. None while there is hope."""


@dataclass(frozen=True)
class VariantRoute:
    """A variant's share of the traffic, and who answers."""

    variant: str
    revision: str
    weight: int
    """Percent."""
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class ServingRoute:
    """How the requests of a serving are spread."""

    serving: ServingName
    variants: tuple[VariantRoute, ...]


RoutingTable = dict[ServingName, ServingRoute]


def dump_table(table: RoutingTable) -> list[dict[str, Any]]:
    """A routing table as JSON values."""
    return [asdict(table[serving]) for serving in sorted(table)]


def load_table(values: list[dict[str, Any]]) -> RoutingTable:
    """Undo `dump_table`. Raises KeyError, TypeError where the values are none."""
    routes = [
        ServingRoute(
            ServingName(**value["serving"]),
            tuple(
                VariantRoute(**variant | {"endpoints": tuple(Endpoint(**e) for e in variant["endpoints"])})
                for variant in value["variants"]
            ),
        )
        for value in values
    ]
    return {route.serving: route for route in routes}


def wanted_variants(spec: ServingSpec, digests: dict[str, str]) -> tuple[VariantStatus, ...]:
    """The variants of a spec as they will be recorded once they serve.

    Args:
        spec: what is asked for.
        digests: variant name to the digest that its tag was resolved to.
    """
    return tuple(
        VariantStatus(
            name=variant.name,
            model=variant.model,
            digest=digests[variant.name],
            replicas=variant.replicas,
            weight=spec.traffic.weights.get(variant.name, 0),
        )
        for variant in spec.variants
    )


def revision(variant: VariantStatus) -> str:
    """What tells the processes of one version from those of another: the bytes, and the tag that answers name."""
    text = f"{variant.digest} {ModelRef.parse(variant.model).version}"
    return sha256(text.encode()).hexdigest()[:SHORT]


def replica_keys(serving: ServingName, variants: Iterable[VariantStatus]) -> list[ReplicaKey]:
    """The replicas of these variants."""
    return [
        ReplicaKey(serving, variant.name, revision(variant), index)
        for variant in variants
        for index in range(variant.replicas)
    ]


def replica_specs(
    serving: ServingName, variants: Iterable[VariantStatus], models: dict[str, LocalModel]
) -> list[ReplicaSpec]:
    """The replicas of these variants, with what they run; models by digest."""
    return [
        ReplicaSpec(key, models[variant.digest], ModelRef.parse(variant.model).version)
        for variant in variants
        for key in replica_keys(serving, [variant])
    ]


def route(serving: ServingName, variants: Iterable[VariantStatus], states: Iterable[ReplicaState]) -> ServingRoute:
    """Where requests go: to the replicas that are ready."""
    listening = {state.key: state.endpoint for state in states if state.ready and state.endpoint is not None}
    return ServingRoute(
        serving,
        tuple(
            VariantRoute(
                variant.name,
                revision(variant),
                variant.weight,
                tuple(listening[key] for key in replica_keys(serving, [variant]) if key in listening),
            )
            for variant in variants
        ),
    )


def counted(
    serving: ServingName, variants: Iterable[VariantStatus], states: Iterable[ReplicaState]
) -> tuple[VariantStatus, ...]:
    """The variants with the number of their replicas that are ready."""
    ready = {state.key for state in states if state.ready}
    return tuple(
        variant.model_copy(update={"ready_replicas": len(ready.intersection(replica_keys(serving, [variant])))})
        for variant in variants
    )


def superfluous(
    serving: ServingName, variants: Iterable[VariantStatus], states: Iterable[ReplicaState]
) -> list[ReplicaKey]:
    """The replicas of a serving that none of these variants needs."""
    needed = set(replica_keys(serving, variants))
    return [state.key for state in states if state.key.serving == serving and state.key not in needed]


def last_words(serving: ServingName, variants: Iterable[VariantStatus], states: Iterable[ReplicaState]) -> str | None:
    """Why a replica that is needed does not start, as a sentence; None while there is hope for all of them."""
    needed = set(replica_keys(serving, variants))
    failed = sorted((state for state in states if state.key in needed and state.failure), key=lambda state: state.key)
    if not failed:
        return None
    variant, lines = failed[0].key.variant, failed[0].failure
    return f"the model server of variant {variant} does not start; its log ends with: {lines}"


def infer_url(ingress: str, serving: ServingName) -> str:
    """The V2 endpoint through the ingress; the same path as with Seldon Core and Istio."""
    return f"{ingress}{path_prefix(serving)}v2/models/{serving.name}/infer"


def path_prefix(serving: ServingName) -> str:
    """What the ingress cuts off before the request reaches a model server."""
    return f"/seldon/{serving.namespace}/{serving.name}/"
