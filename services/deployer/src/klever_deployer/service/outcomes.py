"""How a rollout ended, as the event that tells it; pure."""

from kleverproto.base import WireModel
from kleverproto.rollouts import RolloutPhase
from kleverproto.servings import (
    ServingDeleted,
    ServingDocument,
    ServingFailed,
    ServingPhase,
    ServingReady,
    ServingRolledBack,
)

UNTOLD = "announcing"
"""Step of an outcome that is recorded while its event is not yet known to be published."""


def is_untold(document: ServingDocument) -> bool:
    """Whether a crash may have come between an outcome and its event."""
    return document.status.step == UNTOLD


def outcome(document: ServingDocument) -> WireModel:
    """The event of a document that is ready, failed or deleted."""
    status = document.status
    if status.phase is ServingPhase.DELETED:
        return ServingDeleted(namespace=document.namespace, name=document.name)
    common = {"namespace": document.namespace, "name": document.name, "generation": document.generation}
    rollout = status.rollout
    tried = rollout is not None and rollout.generation == document.generation
    if status.phase is ServingPhase.FAILED and tried and rollout and rollout.phase is RolloutPhase.ROLLED_BACK:
        return ServingRolledBack.model_validate({**common, "problem": status.problem, "rollout": rollout})
    if status.phase is ServingPhase.FAILED:
        return ServingFailed.model_validate({**common, "problem": status.problem})
    return ServingReady.model_validate({**common, "url": status.url, "variants": status.variants})
