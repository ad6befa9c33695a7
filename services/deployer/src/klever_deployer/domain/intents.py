"""Applies requests to a serving's document or tombstone; pure.

The order of requests in their stream decides, not the order in which they are handled: a request that is handled late,
again, or after a later one is ignored.
"""

from datetime import datetime
from typing import Unpack

from kleverproto import deletions
from kleverproto.deletions import newest_intent
from kleverproto.documents import Intent, Tombstone, is_late
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    Followed,
    ServingDocument,
    ServingPhase,
    ServingRequested,
    ServingStatus,
    ServingStatusChanges,
    next_generation,
)

from .followed_tags import followed, follows
from .followed_tags import is_late as is_late_push

Known = ServingDocument | Tombstone[ServingDocument] | None
"""The stored document or tombstone of a serving, or None."""

ENDED = {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}


def requested(present: Known, request: ServingRequested, intent: Intent, now: datetime) -> ServingDocument | None:
    """The document after a spec is requested; None if the request is late."""
    if is_late(newest_intent(present), intent):
        return None
    if isinstance(present, ServingDocument):
        return with_spec(present, request.spec, intent, now, at_least=request.generation)
    before = present.document if present else None
    return ServingDocument(
        namespace=request.namespace,
        name=request.name,
        spec=request.spec,
        status=ServingStatus(intent=intent),
        generation=max(next_generation(before, request.spec), request.generation),
        created_at=now,
        updated_at=now,
    )


def with_spec(
    present: ServingDocument, spec: ServingSpec, intent: Intent, now: datetime, *, at_least: int = 1
) -> ServingDocument:
    """The document with a new spec, Pending; if the spec is unchanged, only the intent changes.

    Args:
        present: the stored document.
        spec: the requested spec.
        intent: the request.
        now: the present time.
        at_least: the generation that the gateway has returned to the client.
    """
    generation = max(next_generation(present, spec), at_least)
    if generation == present.generation:
        return with_status(present, now, intent=intent)
    changed = present.replace(spec=spec, generation=generation)
    return with_status(
        changed, now, phase=ServingPhase.PENDING, intent=intent, problem=None, step="", unavailable_since=None
    )


def deletion_requested(
    present: Known, intent: Intent, now: datetime
) -> ServingDocument | Tombstone[ServingDocument] | None:
    """The document in phase Deleting, or a tombstone if there is no document; None if the request is late."""

    def begin(document: ServingDocument) -> ServingDocument:
        return with_status(document, now, phase=ServingPhase.DELETING, intent=intent, step="")

    return deletions.deletion_requested(present, newest_intent(present), intent, now, begin=begin)


def pushed(present: Known, push: Followed, ref: str, cause: Intent, now: datetime) -> ServingDocument | None:
    """The document after a tag that it follows was pushed; None if nothing changes.

    Args:
        present: the stored document.
        push: the manifest that the tag names now, and the generation of the tag.
        ref: the tag.
        cause: the ids of the event that announced the push; its sequence belongs to another stream and is not used.
        now: the present time.
    """
    if not isinstance(present, ServingDocument) or present.status.phase is ServingPhase.DELETING:
        return None
    known, last = present.status.intent, present.status.followed.get(ref)
    if known is None or not follows(present.spec, ref) or is_late_push(last, push):
        return None
    seen = with_status(present, now, followed={**present.status.followed, ref: push})
    spec = followed(present.spec, ref, push.digest)
    if spec == present.spec or (last is not None and last.digest == push.digest):
        return seen
    return with_spec(seen, spec, cause.at(known.sequence), now)


def steered(
    present: Known, generation: int, action: RolloutAction, intent: Intent, now: datetime
) -> ServingDocument | None:
    """The document after an action on the rollout of a generation; None if the request is late.

    The sequence of the document's intent does not change, so that an earlier request for a spec or a deletion that is
    handled later still applies.
    """
    if not isinstance(present, ServingDocument):
        return None
    known, rollout = present.status.intent, present.status.rollout
    if known is None or rollout is None or intent.sequence <= max(known.sequence, rollout.steered):
        return None
    if not (rollout.generation == present.generation == generation) or rollout.phase in ENDED:
        return None
    rollout = _steered(rollout, action).replace(steered=intent.sequence)
    return with_status(present, now, rollout=rollout, intent=intent.at(known.sequence))


def with_status(document: ServingDocument, now: datetime, **changes: Unpack[ServingStatusChanges]) -> ServingDocument:
    """The document with these changes of its status; the same document if the status does not change."""
    status = document.status.replace(**changes)
    if status == document.status:
        return document
    return document.replace(status=status, updated_at=now)


def _steered(rollout: RolloutStatus, action: RolloutAction) -> RolloutStatus:
    if action in {RolloutAction.PAUSE, RolloutAction.RESUME}:
        return rollout.replace(paused=action is RolloutAction.PAUSE)
    return rollout.replace(action=action)
