"""Where the rollout of a serving is."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import Field

from .base import WireModel
from .serving_specs import ServingSpec


class RolloutAction(StrEnum):
    """What people do to a rollout that is under way."""

    PAUSE = "pause"
    """Stay at this step."""
    RESUME = "resume"
    PROMOTE = "promote"
    """Give the new version all the traffic now."""
    ABORT = "abort"
    """Give the old version all the traffic again."""


class RolloutPhase(StrEnum):
    """How far a rollout is."""

    STARTING = "Starting"
    """The new version is not ready yet."""
    PROGRESSING = "Progressing"
    WAITING = "Waiting"
    """For someone to promote or abort it."""
    PAUSED = "Paused"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    """The new version never got ready."""


class Measurement(WireModel):
    """How the new version does in a step, as the ingress sees it."""

    requests: int
    error_percent: float
    p95_ms: float | None = None
    """Upper end of the bucket that holds it; None without requests."""
    p99_ms: float | None = None


class RolloutStep(WireModel):
    """A step that was taken."""

    weight: int
    """Percent for the new version."""
    weights: dict[str, int] = Field(default_factory=dict)
    """Variant to percent of the traffic from then on, old and new version together."""
    at: datetime
    message: str
    measured: Measurement | None = None
    """Of the step before."""


class RolloutStatusChanges(TypedDict, total=False):
    """What may be replaced in a RolloutStatus."""

    phase: RolloutPhase
    weight: int
    since: datetime
    paused: bool
    action: RolloutAction | None
    steered: int
    message: str
    measured: Measurement | None
    steps: tuple[RolloutStep, ...]


class RolloutStatus(WireModel):
    """A rollout, and what was measured."""

    generation: int
    strategy: str
    phase: RolloutPhase = RolloutPhase.STARTING
    weight: int = 0
    """Percent for the new version."""
    since: datetime
    """Begin of the step."""
    paused: bool = False
    action: RolloutAction | None = None
    """What was asked for and is not done yet."""
    steered: int = 0
    """Position in the stream KLEVER_SERVINGS of the last request that steered it; an earlier one is late."""
    message: str = ""
    measured: Measurement | None = None
    """In the step so far."""
    steps: tuple[RolloutStep, ...] = ()

    def replace(self, **changes: Unpack[RolloutStatusChanges]) -> Self:
        """The same rollout with other values for some fields."""
        return self.model_copy(update=changes)


class Revision(WireModel):
    """A spec that was served."""

    generation: int
    spec: ServingSpec
    ready_at: datetime
