"""Rollouts of servings."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import Field

from .base import WireModel
from .serving_specs import ServingSpec


class RolloutAction(StrEnum):
    """Actions on a rollout in progress."""

    PAUSE = "pause"
    """Stay at this step."""
    RESUME = "resume"
    PROMOTE = "promote"
    """Route all traffic to the new version now."""
    ABORT = "abort"
    """Route all traffic back to the old version."""


class RolloutPhase(StrEnum):
    """Phases of a rollout."""

    STARTING = "Starting"
    """The new version is not ready yet."""
    PROGRESSING = "Progressing"
    WAITING = "Waiting"
    """Waiting to be promoted or aborted."""
    PAUSED = "Paused"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    """The new version did not become ready."""


class Measurement(WireModel):
    """Metrics of the new version in a step, measured at the ingress."""

    requests: int
    error_percent: float
    p95_ms: float | None = None
    """Upper bound of the histogram bucket that contains the value; None without requests."""
    p99_ms: float | None = None


class RolloutStep(WireModel):
    """A completed step."""

    weight: int
    """Percent for the new version."""
    weights: dict[str, int] = Field(default_factory=dict)
    """Percent of the traffic by variant of the old and the new version, from then on."""
    at: datetime
    message: str
    measured: Measurement | None = None
    """Metrics of the previous step."""


class RolloutStatusChanges(TypedDict, total=False):
    """Fields of RolloutStatus that can be replaced."""

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
    """The state of a rollout."""

    generation: int
    strategy: str
    phase: RolloutPhase = RolloutPhase.STARTING
    weight: int = 0
    """Percent for the new version."""
    since: datetime
    """Start of the step."""
    paused: bool = False
    action: RolloutAction | None = None
    """The requested action, until it is complete."""
    steered: int = 0
    """Sequence in the stream KLEVER_SERVINGS of the last rollout action. Earlier actions are late."""
    message: str = ""
    measured: Measurement | None = None
    """Metrics of the current step so far."""
    steps: tuple[RolloutStep, ...] = ()

    def replace(self, **changes: Unpack[RolloutStatusChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class Revision(WireModel):
    """An earlier spec of the serving."""

    generation: int
    spec: ServingSpec
    ready_at: datetime
