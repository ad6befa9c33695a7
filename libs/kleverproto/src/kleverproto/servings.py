"""Servings: the document that people write, its status and its events. Owner: deployer."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from . import subjects
from .base import StrictWireModel, WireModel
from .documents import Document, Problem
from .references import Digest, DnsLabel, ModelRef

ModelReference = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Variant(StrictWireModel):
    """One version of a model behind the serving's URL."""

    name: DnsLabel
    model: ModelReference
    """`project/model:version`."""
    digest: Digest | None = None
    """The manifest to serve; resolved from the tag when the serving is accepted, if absent."""
    replicas: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _model_is_a_reference(self) -> Self:
        ModelRef.parse(self.model)
        return self


class Traffic(StrictWireModel):
    """How requests are spread over the variants."""

    weights: dict[DnsLabel, Annotated[int, Field(ge=0, le=100)]]
    """Variant name to percent; the sum is 100."""


class ServingSpec(StrictWireModel):
    """What should be served."""

    variants: Annotated[tuple[Variant, ...], Field(min_length=1, max_length=10)]
    traffic: Traffic

    @model_validator(mode="after")
    def _weights_name_variants(self) -> Self:
        names = [variant.name for variant in self.variants]
        problems = []
        if len(set(names)) != len(names):
            problems.append("two variants have the same name")
        if unknown := sorted(set(self.traffic.weights) - set(names)):
            problems.append(f"traffic.weights names no variant: {', '.join(unknown)}")
        if (total := sum(self.traffic.weights.values())) != 100:  # noqa: PLR2004 - percent
            problems.append(f"traffic.weights sum to {total}, not 100")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class ServingPhase(StrEnum):
    """Where a serving is."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    READY = "Ready"
    FAILED = "Failed"
    """The generation could not be applied; what served before still serves."""
    DELETING = "Deleting"
    DELETED = "Deleted"
    """A tombstone, so that a late request from before the deletion does not bring the serving back."""


class VariantStatus(WireModel):
    """What really runs of a variant."""

    name: str
    model: str
    digest: Digest
    ready_replicas: int = 0
    replicas: int = 0
    weight: int = 0
    """Percent of the traffic that the data plane sends there now."""


class Intent(WireModel):
    """The request that the spec comes from. A request with a lower sequence is late and ignored."""

    sequence: int
    """Position in the stream KLEVER_SERVINGS."""
    event_id: str
    correlation_id: str


class ServingStatus(WireModel):
    """What is, as against what should be."""

    phase: ServingPhase = ServingPhase.PENDING
    observed_generation: int = 0
    """The generation that is fully applied."""
    url: str | None = None
    """The infer endpoint through the ingress."""
    variants: tuple[VariantStatus, ...] = ()
    step: str = ""
    """The last step done, for people and for recovery."""
    problem: Problem | None = None
    ready_at: datetime | None = None
    intent: Intent | None = None


class ServingDocument(Document[ServingSpec, ServingStatus]):
    """A serving, bucket `klever-servings`."""

    namespace: DnsLabel
    name: DnsLabel


def serving_key(namespace: str, name: str) -> str:
    """Key of the serving's document in `klever-servings`."""
    return subjects.join(namespace, name)


def next_generation(current: ServingDocument | None, spec: ServingSpec) -> int:
    """The generation that this spec gets: one more, unless nothing changes.

    Gateway and deployer both decide by this, so that a client can wait for the generation it was told. After a
    failure or a deletion the same spec again is a new try.
    """
    if current is None:
        return 1
    unfinished = {ServingPhase.FAILED, ServingPhase.DELETING, ServingPhase.DELETED}
    if current.spec == spec and current.status.phase not in unfinished:
        return current.generation
    return current.generation + 1


class ServingRequested(WireModel):
    """Someone wants this served, replacing what the name served before."""

    namespace: DnsLabel
    name: DnsLabel
    spec: ServingSpec


class ServingDeleteRequested(WireModel):
    """Someone wants the serving gone."""

    namespace: DnsLabel
    name: DnsLabel


class ServingProgressed(WireModel):
    """A step of a rollout is done."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    step: str


class ServingReady(WireModel):
    """The serving is fully applied; the URL answers."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    url: str
    variants: tuple[VariantStatus, ...]


class ServingFailed(WireModel):
    """The generation could not be applied; what served before still serves."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem


class ServingDeleted(WireModel):
    """Nothing of the serving is left."""

    namespace: DnsLabel
    name: DnsLabel


class TrafficShifted(WireModel):
    """The data plane now splits requests like this."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    weights: dict[str, int]
