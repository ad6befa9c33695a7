"""Accepts or rejects requests about a serving by their preconditions; pure.

Each decision is made inside the compare-and-set of the document: of several requests with the same precondition, from
any number of gateways, exactly one is accepted. A request that is redelivered after it was accepted is recognised by
its position in the stream, and is accepted again.
"""

from kleverproto.deletions import newest_intent
from kleverproto.documents import Intent, Problem, is_late
from kleverproto.preconditions import ABSENT, nothing_to_steer, overtaken, unmet_precondition
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import ServingDocument
from kleverroutes.versions import ServingName

from .intents import Known


def generation_of(present: Known) -> int:
    """The generation that a client sees; ABSENT if there is no serving."""
    return present.generation if isinstance(present, ServingDocument) else ABSENT


def rejection(serving: ServingName, present: Known, expected: int | None, intent: Intent) -> Problem | None:
    """The reason why a request is rejected; None if it is accepted, has no precondition, or was accepted before.

    Args:
        serving: the serving that the request concerns.
        present: the stored document or tombstone.
        expected: the generation that the request requires; None for any.
        intent: the request.
    """
    known = newest_intent(present)
    if expected is None or (known is not None and known.sequence == intent.sequence):
        return None
    late = overtaken(serving.name) if is_late(known, intent) else None
    return unmet_precondition(serving.name, generation_of(present), expected) or late


def steering_rejection(
    serving: ServingName, present: Known, steered: ServingDocument | None, action: RolloutAction, intent: Intent
) -> Problem | None:
    """The reason why a request to steer a rollout is rejected; None if it is accepted, or was accepted before.

    Args:
        serving: the serving that the request concerns.
        present: the stored document or tombstone.
        steered: the document after the request; None if the request does not apply.
        action: the requested action.
        intent: the request.
    """
    rollout = present.status.rollout if isinstance(present, ServingDocument) else None
    is_repeated = rollout is not None and rollout.steered == intent.sequence
    return nothing_to_steer(serving.name, action) if steered is None and not is_repeated else None
