"""The outcomes of servings as events; pure."""

from kleverproto.base import WireModel
from kleverproto.rollouts import RolloutPhase
from kleverproto.servings import (
    ServingDocument,
    ServingFailed,
    ServingPhase,
    ServingReady,
    ServingRolledBack,
    ServingUnavailable,
)

UNANNOUNCED = "announcing"
"""Step of an outcome that is recorded while its event is not yet known to be published."""


def is_unannounced(document: ServingDocument) -> bool:
    """Return whether the event of the recorded outcome may not be published yet."""
    return document.status.step == UNANNOUNCED


def outcome(document: ServingDocument) -> WireModel:
    """The event for a document that became Ready, Failed or unavailable."""
    status = document.status
    common = {"namespace": document.namespace, "name": document.name, "generation": document.generation}
    rollout = status.rollout
    tried = rollout is not None and rollout.generation == document.generation
    if status.phase is ServingPhase.FAILED and tried and rollout and rollout.phase is RolloutPhase.ROLLED_BACK:
        return ServingRolledBack.model_validate({**common, "problem": status.problem, "rollout": rollout})
    if status.phase is ServingPhase.FAILED:
        return ServingFailed.model_validate({**common, "problem": status.problem})
    if status.phase is ServingPhase.PROGRESSING:
        return ServingUnavailable.model_validate({**common, "problem": status.problem, "variants": status.variants})
    return ServingReady.model_validate({**common, "url": status.url, "variants": status.variants})


def occasion(document: ServingDocument) -> str:
    """Distinguishes an outcome from the same outcome of the same generation at another time."""
    status = document.status
    moment = status.unavailable_since if status.phase is ServingPhase.PROGRESSING else status.ready_at
    return f"{status.phase} {moment.isoformat() if moment else ''}"


def step_after(document: ServingDocument) -> str:
    """The step of an outcome once its event is published."""
    is_waiting = document.status.phase is ServingPhase.PROGRESSING
    return "waiting until requests are answered again" if is_waiting else document.status.phase.lower()
