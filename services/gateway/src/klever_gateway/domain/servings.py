"""What a serving will be once a request is through."""

from datetime import datetime

from kleverproto.rollouts import RolloutPhase
from kleverproto.servings import ServingDocument, ServingPhase, ServingRequested, ServingStatus, next_generation


def is_gone(document: ServingDocument | None) -> bool:
    """Whether there is no such serving, as far as clients can see."""
    return document is None


def as_requested(current: ServingDocument | None, request: ServingRequested, now: datetime) -> ServingDocument:
    """The serving with the requested spec, pending; the current one if nothing changes."""
    generation = next_generation(current, request.spec)
    if current is not None and generation == current.generation:
        return current
    kept = current if not is_gone(current) else None
    status = kept.status if kept else ServingStatus()
    return ServingDocument(
        namespace=request.namespace,
        name=request.name,
        spec=request.spec,
        status=status.model_copy(update={"phase": ServingPhase.PENDING, "problem": None, "step": ""}),
        generation=generation,
        created_at=kept.created_at if kept else now,
        updated_at=now,
    )


def is_under_way(document: ServingDocument) -> bool:
    """Whether there is a rollout of the document's generation that has not ended."""
    rollout = document.status.rollout
    ended = {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}
    return rollout is not None and rollout.generation == document.generation and rollout.phase not in ended


def as_deleting(current: ServingDocument, now: datetime) -> ServingDocument:
    """The serving while it goes away."""
    status = current.status.model_copy(update={"phase": ServingPhase.DELETING})
    return current.model_copy(update={"status": status, "updated_at": now})
