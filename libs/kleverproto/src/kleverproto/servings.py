"""Servings: their documents, and the events about them. Owner: deployer."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import Field

from . import subjects
from .base import WireModel
from .documents import Document, Intent, Problem
from .references import Digest, DnsLabel
from .rollouts import Revision, RolloutAction, RolloutStatus
from .serving_specs import ServingSpec

LARGEST_GENERATION = 2**53
"""What a request may promise at most: numbers of JSON and of databases hold this one."""


class ServingPhase(StrEnum):
    """Where a serving is."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    READY = "Ready"
    """The generation is applied and requests are answered; it is Progressing again while they are not."""
    FAILED = "Failed"
    """The generation could not be applied; what served before still serves."""
    DELETING = "Deleting"


class VariantStatus(WireModel):
    """What really runs of a variant."""

    name: str
    model: str
    digest: Digest
    revision: str = ""
    """What tells its replicas from those of another version or other settings of the variant."""
    runtime: str = ""
    """The model server, or `custom`."""
    made: str = ""
    """What is served instead, where the platform converted the model for it: `project/model:version@digest`."""
    unverified: str = ""
    """Of a converted model that was not compared with its source: the reason."""
    sandbox: str = ""
    """What its model servers are confined by, for people; empty while none runs."""
    ready_replicas: int = 0
    replicas: int = 0
    """How many are wanted now; with autoscaling this changes."""
    restarts: int = 0
    """How often its replicas have ended by themselves."""
    weight: int = 0
    """Percent of the traffic that the data plane sends there now, rules aside."""


class Followed(WireModel):
    """The last push to a tag that is known. Pushes are ordered by these, whichever is heard of first."""

    digest: Digest
    generation: int
    """Of the tag's document: counts the manifests that it has named."""
    created_at: datetime
    """Of the tag's document: a tag that was deleted and pushed again counts anew."""


class ServingStatusChanges(TypedDict, total=False):
    """What may be replaced in a ServingStatus."""

    phase: ServingPhase
    observed_generation: int
    url: str | None
    variants: tuple[VariantStatus, ...]
    applied: ServingSpec | None
    rollout: RolloutStatus | None
    revisions: tuple[Revision, ...]
    followed: dict[str, Followed]
    step: str
    problem: Problem | None
    ready_at: datetime | None
    unavailable_since: datetime | None
    intent: Intent | None


class ServingStatus(WireModel):
    """What is, as against what should be."""

    phase: ServingPhase = ServingPhase.PENDING
    observed_generation: int = 0
    """The generation that is fully applied."""
    url: str | None = None
    """The infer endpoint through the ingress."""
    variants: tuple[VariantStatus, ...] = ()
    """What serves; during a rollout also what is tried."""
    applied: ServingSpec | None = None
    """The spec that serves, with its digests; the wanted one once the rollout is through."""
    rollout: RolloutStatus | None = None
    """The last one."""
    revisions: tuple[Revision, ...] = ()
    """What served before and can be had again, newest last."""
    followed: dict[str, Followed] = Field(default_factory=dict)
    """Of each tag that is followed, the last push: what someone has rolled back stays so."""
    step: str = ""
    """The last step done, for people and for recovery."""
    problem: Problem | None = None
    ready_at: datetime | None = None
    unavailable_since: datetime | None = None
    """Since when requests are not answered, though the generation is applied; None while they are."""
    intent: Intent | None = None

    def replace(self, **changes: Unpack[ServingStatusChanges]) -> Self:
        """The same status with other values for some fields."""
        return self.model_copy(update=changes)


class ServingDocument(Document[ServingSpec, ServingStatus]):
    """A serving, bucket `klever-servings`."""

    namespace: DnsLabel
    name: DnsLabel


def serving_key(namespace: str, name: str) -> str:
    """Key of the serving's document in `klever-servings`."""
    return subjects.join(namespace, name)


def next_generation(current: ServingDocument | None, spec: ServingSpec) -> int:
    """The generation that this spec gets: one more than the last of this name, unless nothing changes.

    After a failure or a deletion the same spec again is a new try. `current` is the last document of the name, also
    where only its tombstone is left.
    """
    if current is None:
        return 1
    unfinished = {ServingPhase.FAILED, ServingPhase.DELETING}
    if current.spec == spec and current.status.phase not in unfinished:
        return current.generation
    return current.generation + 1


class ServingRequestedChanges(TypedDict, total=False):
    """What may be replaced in a ServingRequested."""

    spec: ServingSpec
    generation: int
    expected_generation: int | None


class ServingRequested(WireModel):
    """Someone wants this served, replacing what the name served before."""

    namespace: DnsLabel
    name: DnsLabel
    spec: ServingSpec
    generation: int = Field(default=1, ge=1, le=LARGEST_GENERATION)
    """The generation that was promised to whoever asked, who may wait for it: it becomes this one at least."""
    expected_generation: int | None = Field(default=None, ge=0, le=LARGEST_GENERATION)
    """The request is rejected unless the serving has this generation; 0: unless it does not exist; None: never."""

    def replace(self, **changes: Unpack[ServingRequestedChanges]) -> Self:
        """The same request with other values for some fields."""
        return self.model_copy(update=changes)


class ServingDeleteRequested(WireModel):
    """Someone wants the serving gone."""

    namespace: DnsLabel
    name: DnsLabel
    expected_generation: int | None = Field(default=None, ge=1, le=LARGEST_GENERATION)
    """The request is rejected unless the serving has this generation; None: never."""


class ServingRolloutRequested(WireModel):
    """Someone steers a rollout that is under way."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    """The one that is rolled out; the request is rejected if another one is."""
    action: RolloutAction


class ServingProgressed(WireModel):
    """A step of a rollout is done."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    step: str
    rollout: RolloutStatus | None = None
    """Where a rollout by steps is."""


class ServingReady(WireModel):
    """The serving is fully applied; the URL answers."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    url: str
    variants: tuple[VariantStatus, ...]


class ServingUnavailable(WireModel):
    """Requests to a serving that was ready are not answered now; ServingReady follows once they are."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem
    variants: tuple[VariantStatus, ...]


class ServingFailed(WireModel):
    """The generation could not be applied; what served before still serves."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem


class ServingRolledBack(WireModel):
    """A new version was tried and did not do well, or was aborted; what served before has all the traffic again."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem
    rollout: RolloutStatus


class ServingDeleted(WireModel):
    """Nothing of the serving is left."""

    namespace: DnsLabel
    name: DnsLabel


class ServingLogged(WireModel):
    """A model server has written lines."""

    namespace: DnsLabel
    name: DnsLabel
    variant: DnsLabel
    revision: str
    replica: int
    """Counted from 0 within the variant's revision."""
    lines: tuple[str, ...]


class TrafficShifted(WireModel):
    """The data plane now splits requests like this."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    weights: dict[str, int]
