"""Changes of a serving that say what is different, in place of the whole spec: bodies of the gateway's requests."""

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
    """Serve a model version, or give it a share of the traffic; the rest of the spec stays.

    The version takes over the settings of the variant that it replaces or stands beside.
    """

    model: ModelReference
    """`project/model:version`."""
    traffic: Annotated[int, Field(ge=1, le=ALL)] | None = None
    """Percent for this version; the other variants keep the rest in their proportions. If absent, this version gets all
    the traffic and the other variants are removed."""
    replicas: Annotated[int, Field(ge=1, le=64)] | None = None
    """Of this version; as many as before, or 1, if absent."""
    runtime: RuntimeName | None = None
    """The model server; as before, or by the model's format, if absent."""
    strategy: Strategy | None = None
    """How the new version takes over; as before if absent."""
    policy: ServingPolicy | None = None
    """What happens when a tag is pushed again; as before if absent."""


class ChangeTraffic(StrictWireModel):
    """Another split of the requests; what is absent stays, and null removes."""

    weights: Annotated[dict[DnsLabel, Percent], Field(min_length=1)] | None = None
    """Variant to percent; the sum is 100. A variant that is absent gets none."""
    rules: Annotated[tuple[HeaderRule, ...], Field(max_length=50)] | None = None
    """In this order, before the weights; they replace all present rules."""
    mirror: Mirror | None = None
    sticky: Sticky | None = None


class ScaleServing(StrictWireModel):
    """Another number of replicas: a fixed one, or bounds within which it follows the load."""

    variant: DnsLabel | None = None
    """Every variant if absent."""
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
    """Of the revision. If absent: the revision that serves now during a rollout or after one that failed, otherwise the
    last one that differs from it."""
