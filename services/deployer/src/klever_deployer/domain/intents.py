"""What a request makes of a serving's document or tombstone; pure.

Every decision looks at the order of the requests in their stream, whichever order they are handled in: a request that
is handled late, again, or after a later one changes nothing.
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

from .following import followed, follows
from .following import is_late as is_late_push

Known = ServingDocument | Tombstone[ServingDocument] | None
"""What is stored of a serving."""

ENDED = {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}


def requested(present: Known, request: ServingRequested, intent: Intent, now: datetime) -> ServingDocument | None:
    """The document once a spec is wanted; None where the request is late."""
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
    """The document with another spec, pending; only the intent is another where the spec is the same.

    Args:
        present: what is stored.
        spec: what is wanted.
        intent: the request for it.
        now: the present.
        at_least: the generation that was promised to whoever asked.
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
    """The document while its servers stop, or a tombstone where there is none; None where the request is late."""

    def begin(document: ServingDocument) -> ServingDocument:
        return with_status(document, now, phase=ServingPhase.DELETING, intent=intent, step="")

    return deletions.deletion_requested(present, newest_intent(present), intent, now, begin=begin)


def pushed(present: Known, push: Followed, ref: str, cause: Intent, now: datetime) -> ServingDocument | None:
    """The document once a tag that it follows names another manifest; None where that changes nothing.

    Args:
        present: what is stored.
        push: what the tag names now, and of which generation of the tag that is.
        ref: the tag.
        cause: the ids of the event that said so; its sequence is of another stream and does not count.
        now: the present.
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
    """The document once someone steers the rollout of a generation; None where the request is late.

    What was asked for before and is handled later, another spec or a deletion, still counts: the place of the
    document's intent stays.
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
    """The document with another status; the same document where the status is the same."""
    status = document.status.replace(**changes)
    if status == document.status:
        return document
    return document.replace(status=status, updated_at=now)


def _steered(rollout: RolloutStatus, action: RolloutAction) -> RolloutStatus:
    if action in {RolloutAction.PAUSE, RolloutAction.RESUME}:
        return rollout.replace(paused=action is RolloutAction.PAUSE)
    return rollout.replace(action=action)
