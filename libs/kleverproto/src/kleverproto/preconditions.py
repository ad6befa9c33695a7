"""Preconditions of requests about servings (HTTP's If-Match, RFC 9110, section 13.1.1), and the owner's decisions.

A gateway refuses at once what its own copy of the documents proves wrong. Only the deployer, which owns the servings,
can decide that a request is right, since another gateway may have stored one at the same time.
"""

from pydantic import Field

from .base import WireModel
from .codes import ALREADY_EXISTS, GENERATION_MISMATCH, NO_ROLLOUT
from .documents import Problem
from .references import DnsLabel

ABSENT = 0
"""The expected generation of a serving that must not exist."""


class ServingRequestDecided(WireModel):
    """The deployer has accepted or rejected a request that has a precondition; `causationid` is the request's id.

    The same request is decided once: the id of this event derives from that of the request.
    """

    namespace: DnsLabel
    name: DnsLabel
    generation: int = Field(ge=ABSENT)
    """The serving's generation after the decision; 0 if there is no such serving."""
    problem: Problem | None = None
    """Why the request was rejected and changed nothing; None if it was accepted."""


def unmet_precondition(serving: str, generation: int, expected: int | None) -> Problem | None:
    """Why a precondition does not hold; None if it holds.

    Args:
        serving: the serving's name, for the message.
        generation: its generation; ABSENT if there is no such serving.
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
    """The problem of a request with a precondition that was handled after a later one."""
    message = f"a later request about the serving {serving} was handled first: read it again and repeat the change"
    return Problem(code=GENERATION_MISMATCH, message=message)


def nothing_to_steer(serving: str, action: str) -> Problem:
    """The problem of a request that steers a rollout while none is in progress."""
    return Problem(code=NO_ROLLOUT, message=f"the serving {serving} has no rollout in progress to {action}")
