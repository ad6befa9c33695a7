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
    """A serving as it should be."""

    spec: ServingSpec


class SteerRollout(StrictWireModel):
    """What to do with a rollout that is under way."""

    action: RolloutAction
