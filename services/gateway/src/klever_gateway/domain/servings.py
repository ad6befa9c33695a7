"""The expected state of a serving after a request, before the deployer has handled it."""

from dataclasses import dataclass
from datetime import datetime

from kleverproto.rollouts import RolloutPhase
from kleverproto.servings import ServingDocument, ServingPhase, ServingRequested, ServingStatus, next_generation


@dataclass(frozen=True)
class Known:
    """The last known document of a serving's name."""

    last: ServingDocument | None
    """The document, or that of the tombstone if the serving was deleted."""
    is_present: bool
    """True if the serving exists for clients."""

    @property
    def present(self) -> ServingDocument | None:
        """The document of the serving, or None if it does not exist for clients."""
        return self.last if self.is_present else None


def as_requested(known: Known, request: ServingRequested, now: datetime) -> ServingDocument:
    """Return the serving with the requested spec, pending; the present one if nothing changes."""
    present = known.present
    generation = next_generation(known.last, request.spec)
    if known.last is not None and generation == known.last.generation:
        if present is not None:
            return present
        generation += 1  # the same spec after a deletion is a new attempt
    status = present.status if present else ServingStatus()
    return ServingDocument(
        namespace=request.namespace,
        name=request.name,
        spec=request.spec,
        status=status.replace(phase=ServingPhase.PENDING, problem=None, step=""),
        generation=generation,
        created_at=present.created_at if present else now,
        updated_at=now,
    )


def is_in_progress(document: ServingDocument) -> bool:
    """Return whether a rollout of the document's generation is in progress."""
    rollout = document.status.rollout
    ended = {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}
    return rollout is not None and rollout.generation == document.generation and rollout.phase not in ended


def as_deleting(current: ServingDocument, now: datetime) -> ServingDocument:
    """Return the serving in the phase of its deletion."""
    return current.replace(status=current.status.replace(phase=ServingPhase.DELETING), updated_at=now)
