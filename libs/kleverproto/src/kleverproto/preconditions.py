"""Preconditions of requests for servings (HTTP's If-Match, RFC 9110, section 13.1.1), and the deployer's decisions.

A gateway rejects a request immediately if its copy of the documents proves that the precondition is not met. Only the
deployer, which owns the servings, can accept it: another gateway may have stored a request at the same time.
"""

from pydantic import Field

from .base import WireModel
from .codes import ALREADY_EXISTS, GENERATION_MISMATCH, NO_ROLLOUT
from .documents import Problem
from .references import DnsLabel

ABSENT = 0
"""The expected generation of a serving that must not exist."""


class ServingRequestDecided(WireModel):
    """The deployer has accepted or rejected a request with a precondition. `causationid` is the request's id.

    Each request is decided once: the id of this event derives from that of the request.
    """

    namespace: DnsLabel
    name: DnsLabel
    generation: int = Field(ge=ABSENT)
    """The serving's generation after the decision; 0 if the serving does not exist."""
    problem: Problem | None = None
    """The reason if the request was rejected; None if it was accepted."""


def unmet_precondition(serving: str, generation: int, expected: int | None) -> Problem | None:
    """Return the problem if a precondition is not met, or None.

    Args:
        serving: the serving's name, for the message.
        generation: the serving's generation; ABSENT if it does not exist.
        expected: the generation that the request requires; None for any.
    """
    if expected in {None, generation}:
        return None
    if expected == ABSENT:
        message = f"the serving {serving} exists already: replace it with PUT, or delete it"
        return Problem(code=ALREADY_EXISTS, message=message)
    state = f"is at generation {generation}, not {expected}" if generation else "does not exist"
    message = f"the serving {serving} {state}: read it again and repeat the change"
    return Problem(code=GENERATION_MISMATCH, message=message)


def overtaken(serving: str) -> Problem:
    """Return the problem of a request with a precondition that was handled after a later request."""
    message = f"a later request about the serving {serving} was handled first: read it again and repeat the change"
    return Problem(code=GENERATION_MISMATCH, message=message)


def nothing_to_steer(serving: str, action: str) -> Problem:
    """Return the problem of a rollout action without a rollout in progress."""
    return Problem(code=NO_ROLLOUT, message=f"the serving {serving} has no rollout in progress to {action}")
