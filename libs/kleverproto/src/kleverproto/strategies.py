"""Strategies of rollouts. Part of the serving document."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import StrictWireModel
from .traffic import HeaderName


class Analysis(StrictWireModel):
    """Criteria that the new version must meet in each step, measured at the ingress."""

    max_error_percent: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Maximum percentage of 5xx responses and of requests without a response."""
    max_p95_ms: Annotated[float, Field(gt=0)] | None = None
    max_p99_ms: Annotated[float, Field(gt=0)] | None = None
    min_requests: Annotated[int, Field(ge=1)] = 20
    """Minimum number of requests to the new version in a step. The step lasts until there are this many."""


class Rolling(StrictWireModel):
    """The old version serves until the new one is ready. Then all requests move at once."""

    type: Literal["rolling"] = "rolling"


class Recreate(StrictWireModel):
    """The old version stops before the new one starts. Requests in between get 503.

    For models that do not fit into memory together.
    """

    type: Literal["recreate"] = "recreate"


class BlueGreen(StrictWireModel):
    """The new version starts beside the old one and can be tested. Then all requests move at once."""

    type: Literal["blueGreen"] = "blueGreen"
    auto_promote: bool = False
    """Move as soon as the new version is ready. By default, the rollout waits to be promoted or aborted."""
    preview_header: HeaderName = "x-klever-preview"
    """Requests with this header and the value `true` reach the new version while the rollout waits."""


class Canary(StrictWireModel):
    """The new version gets an increasing share of the traffic while it meets its criteria, or else is rolled back."""

    type: Literal["canary"] = "canary"
    steps: Annotated[tuple[Annotated[int, Field(ge=1, le=99)], ...], Field(min_length=1, max_length=50)] = (5, 25, 50)
    """Increasing percentages for the new version; 100 follows automatically."""
    interval_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Minimum duration of a step."""
    analysis: Analysis = Analysis()

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.steps)):
            raise ValueError(f"steps must grow: {', '.join(map(str, self.steps))}")
        return self


Strategy = Annotated[Rolling | Recreate | BlueGreen | Canary, Field(discriminator="type")]
