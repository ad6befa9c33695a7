"""Conditions of resources, as the API conventions of Kubernetes and kstatus expect them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from klever_gateway.errors import InvalidRequestError
from kleverkit.errors import KleverError
from kleverproto.custom_resources import Condition, ConditionType

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
LONGEST_MESSAGE = 4000
"""Characters of a message: a status has no unlimited texts."""


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of a resource, from which its conditions follow.

    Attributes:
        is_ready: whether the spec is applied: the serving responds, the job has succeeded.
        reason: reason in CamelCase.
        message: the reason as a sentence.
        is_progressing: whether the state will change without a change of the spec.
        is_stalled: whether the spec cannot be applied without a change.
        synced: status, reason and message of the condition `Synced`.
        others: conditions of this kind of resources only, by type.
    """

    is_ready: bool
    reason: str
    message: str = ""
    is_progressing: bool = False
    is_stalled: bool = False
    synced: tuple[str, str, str] = (TRUE, "Accepted", "")
    others: dict[ConditionType, bool] = field(default_factory=dict)

    @property
    def is_observed(self) -> bool:
        """True if the platform has accepted or refused the spec."""
        return self.synced[0] != UNKNOWN

    @property
    def short_message(self) -> str:
        """The message with a limited length."""
        return self.message[:LONGEST_MESSAGE]


def conditions(state: State, previous: Iterable[Condition], generation: int, now: datetime) -> tuple[Condition, ...]:
    """Return the conditions of a state. A condition whose status is unchanged keeps its time."""
    times, now = {(each.type, each.status): each.last_transition_time for each in previous}, now.replace(microsecond=0)

    def condition(kind: ConditionType, status: str, reason: str, message: str) -> Condition:
        return Condition(
            type=kind,
            status=status,
            observed_generation=generation,
            last_transition_time=times.get((kind, status), now),
            reason=reason,
            message=message[:LONGEST_MESSAGE],
        )

    flags = {
        ConditionType.READY: state.is_ready,
        ConditionType.RECONCILING: state.is_progressing,
        ConditionType.STALLED: state.is_stalled,
        **state.others,
    }
    synced = condition(ConditionType.SYNCED, *state.synced)
    return synced, *(
        condition(kind, TRUE if flag else FALSE, state.reason, state.message) for kind, flag in flags.items()
    )


def refused(error: KleverError, others: Mapping[ConditionType, bool] = MappingProxyType({})) -> State:
    """Return the state of a resource whose request is refused."""
    reason, message = camel_case(error.code), explain(error)
    return State(
        is_ready=False,
        reason=reason,
        message=message,
        is_stalled=True,
        synced=(FALSE, reason, message),
        others=dict(others),
    )


def unavailable(error: KleverError) -> State:
    """Return the state of a resource whose request, or deletion, cannot be made now."""
    reason, message = camel_case(error.code), explain(error)
    return State(is_ready=False, reason=reason, message=message, is_progressing=True, synced=(UNKNOWN, reason, message))


def waiting(message: str) -> State:
    """Return the state of a deleted resource that waits for the platform."""
    return State(is_ready=False, reason="Deleting", message=message, is_progressing=True)


def explain(error: KleverError) -> str:
    """Return the words of the API for an error, with the problem of each field."""
    if not isinstance(error, InvalidRequestError) or not error.errors:
        return str(error)
    return "; ".join(f"{each.field}: {each.message}" for each in error.errors)


def camel_case(code: str) -> str:
    """Return a code in snake_case as a reason of Kubernetes."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", code)) or "Unknown"
