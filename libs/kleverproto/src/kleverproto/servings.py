"""Servings: the document and its events. Owner: deployer."""

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
"""The largest generation in a request: JSON numbers and databases represent it exactly."""


class ServingPhase(StrEnum):
    """Phases of a serving."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    READY = "Ready"
    """The generation is applied and the serving responds; Progressing again while it does not."""
    FAILED = "Failed"
    """The generation could not be applied. The earlier one keeps serving."""
    DELETING = "Deleting"


class VariantStatus(WireModel):
    """The observed state of a variant."""

    name: str
    model: str
    digest: Digest
    revision: str = ""
    """Distinguishes the replicas from those of other versions or settings of the variant."""
    runtime: str = ""
    """The model server, or `custom`."""
    made: str = ""
    """The converted model that is served instead, if any: `project/model:version@digest`."""
    unverified: str = ""
    """The reason if a converted model was not compared with its source."""
    sandbox: str = ""
    """The sandbox of its model servers, for people; empty if none is running."""
    ready_replicas: int = 0
    replicas: int = 0
    """The desired number of replicas. Autoscaling changes it."""
    restarts: int = 0
    """Number of unexpected exits of replicas."""
    weight: int = 0
    """Percent of the traffic that the data plane routes to the variant by weight."""


class Followed(WireModel):
    """The last known push to a tag. Its values order pushes, which may arrive in any order."""

    digest: Digest
    generation: int
    """Generation of the tag's document, which counts the manifests of the tag."""
    created_at: datetime
    """Creation time of the tag's document. A tag that is deleted and pushed again has a new one."""


class ServingStatusChanges(TypedDict, total=False):
    """Fields of ServingStatus that can be replaced."""

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
    """The observed state of a serving."""

    phase: ServingPhase = ServingPhase.PENDING
    observed_generation: int = 0
    """The generation that is fully applied."""
    url: str | None = None
    """URL of inference requests at the ingress."""
    variants: tuple[VariantStatus, ...] = ()
    """The applied variants, and during a rollout also the new ones."""
    applied: ServingSpec | None = None
    """The spec that serves, with resolved digests. It becomes the desired spec once the rollout is complete."""
    rollout: RolloutStatus | None = None
    """The last rollout."""
    revisions: tuple[Revision, ...] = ()
    """Earlier revisions that can be deployed again, newest last."""
    followed: dict[str, Followed] = Field(default_factory=dict)
    """The last push of each followed tag, so that a version that was rolled back is not deployed again."""
    step: str = ""
    """The last completed step, for people and for recovery."""
    problem: Problem | None = None
    ready_at: datetime | None = None
    unavailable_since: datetime | None = None
    """Time since which an applied generation does not respond; None while it does."""
    intent: Intent | None = None

    def replace(self, **changes: Unpack[ServingStatusChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ServingDocument(Document[ServingSpec, ServingStatus]):
    """A serving, bucket `klever-servings`."""

    namespace: DnsLabel
    name: DnsLabel


def serving_key(namespace: str, name: str) -> str:
    """Return the key of the serving's document in `klever-servings`."""
    return subjects.join(namespace, name)


def next_generation(current: ServingDocument | None, spec: ServingSpec) -> int:
    """Return the generation of this spec: one more than the last one of the name, unless the spec is unchanged.

    After a failure or a deletion, the same spec is a new attempt. `current` is the last document of the name, possibly
    from its tombstone.
    """
    if current is None:
        return 1
    unfinished = {ServingPhase.FAILED, ServingPhase.DELETING}
    if current.spec == spec and current.status.phase not in unfinished:
        return current.generation
    return current.generation + 1


class ServingRequestedChanges(TypedDict, total=False):
    """Fields of ServingRequested that can be replaced."""

    spec: ServingSpec
    generation: int
    expected_generation: int | None


class ServingRequested(WireModel):
    """A request to serve this spec, instead of the present one of the name."""

    namespace: DnsLabel
    name: DnsLabel
    spec: ServingSpec
    generation: int = Field(default=1, ge=1, le=LARGEST_GENERATION)
    """The generation that the gateway has promised to the sender. The serving gets at least this one."""
    expected_generation: int | None = Field(default=None, ge=0, le=LARGEST_GENERATION)
    """Reject the request unless the serving has this generation; 0: unless it does not exist; None: no precondition."""

    def replace(self, **changes: Unpack[ServingRequestedChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ServingDeleteRequested(WireModel):
    """A request to delete the serving."""

    namespace: DnsLabel
    name: DnsLabel
    expected_generation: int | None = Field(default=None, ge=1, le=LARGEST_GENERATION)
    """Reject the request unless the serving has this generation; None: no precondition."""


class ServingRolloutRequested(WireModel):
    """A request to pause, resume, promote or abort a rollout."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    """Generation of the rollout. The request is rejected if another generation is rolled out."""
    action: RolloutAction


class ServingProgressed(WireModel):
    """A step of a rollout is complete."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    step: str
    rollout: RolloutStatus | None = None
    """The status of a rollout by steps."""


class ServingReady(WireModel):
    """The serving is fully applied, and its URL responds."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    url: str
    variants: tuple[VariantStatus, ...]


class ServingUnavailable(WireModel):
    """A serving that was ready does not respond. ServingReady follows once it does."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem
    variants: tuple[VariantStatus, ...]


class ServingFailed(WireModel):
    """The generation could not be applied. The earlier one keeps serving."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem


class ServingRolledBack(WireModel):
    """A rollout failed its analysis or was aborted. The earlier version gets all traffic."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    problem: Problem
    rollout: RolloutStatus


class ServingDeleted(WireModel):
    """The serving is deleted."""

    namespace: DnsLabel
    name: DnsLabel


class ServingLogged(WireModel):
    """Lines of a model server's output."""

    namespace: DnsLabel
    name: DnsLabel
    variant: DnsLabel
    revision: str
    replica: int
    """Index of the replica within the variant's revision, from 0."""
    lines: tuple[str, ...]


class TrafficShifted(WireModel):
    """The data plane now splits requests by these weights."""

    namespace: DnsLabel
    name: DnsLabel
    generation: int
    weights: dict[str, int]
