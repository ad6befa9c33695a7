"""Bodies of requests for servings."""

from kleverproto.base import StrictWireModel
from kleverproto.references import DnsLabel
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_specs import ServingSpec


class CreateServing(StrictWireModel):
    """A new serving."""

    name: DnsLabel
    spec: ServingSpec


class ReplaceServing(StrictWireModel):
    """The new spec of a serving."""

    spec: ServingSpec


class SteerRollout(StrictWireModel):
    """An action on a rollout in progress."""

    action: RolloutAction
