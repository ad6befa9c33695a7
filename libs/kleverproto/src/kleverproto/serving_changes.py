"""Partial changes of a serving: bodies of requests to the gateway."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from .base import StrictWireModel
from .following import ServingPolicy
from .references import DnsLabel
from .strategies import Strategy
from .traffic import HeaderRule, Mirror, Percent, Sticky
from .variants import Autoscaling, ModelReference, RuntimeName

ALL = 100
"""Percent."""


class DeployVersion(StrictWireModel):
    """Serve a model version, or give it a share of the traffic. The rest of the spec stays.

    The version inherits the settings of the variant that it replaces or is added to.
    """

    model: ModelReference
    """`project/model:version`."""
    traffic: Annotated[int, Field(ge=1, le=ALL)] | None = None
    """Percent for this version; the other variants share the rest in proportion to their weights. If absent, this
    version gets all traffic and the other variants are removed."""
    replicas: Annotated[int, Field(ge=1, le=64)] | None = None
    """Number of replicas of this version; if absent, as before, or 1."""
    runtime: RuntimeName | None = None
    """The model server; if absent, as before, or by the model's format."""
    strategy: Strategy | None = None
    """The strategy of the rollout; if absent, as before."""
    policy: ServingPolicy | None = None
    """The policy for new pushes to a served tag; if absent, as before."""


class ChangeTraffic(StrictWireModel):
    """Change the split of the traffic. Absent fields stay, null removes a field."""

    weights: Annotated[dict[DnsLabel, Percent], Field(min_length=1)] | None = None
    """Percent by variant; the sum is 100. An absent variant gets no traffic."""
    rules: Annotated[tuple[HeaderRule, ...], Field(max_length=50)] | None = None
    """Rules in their order, evaluated before the weights. They replace all present rules."""
    mirror: Mirror | None = None
    sticky: Sticky | None = None


class ScaleServing(StrictWireModel):
    """Change the number of replicas: to a fixed one, or to bounds for autoscaling."""

    variant: DnsLabel | None = None
    """The variant to scale; all variants if absent."""
    replicas: Annotated[int, Field(ge=1, le=64)] | None = None
    autoscaling: Autoscaling | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.replicas is None) == (self.autoscaling is None):
            raise ValueError("give one of replicas and autoscaling")
        return self


class RollBack(StrictWireModel):
    """Serve an earlier revision again, with its whole spec."""

    generation: Annotated[int, Field(ge=1)] | None = None
    """Generation of the revision. If absent, the applied revision while a rollout is in progress or if it has failed,
    otherwise the last revision that differs from the applied one."""
