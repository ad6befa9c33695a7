"""How a serving goes from one version to the next: part of the document that people write."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import StrictWireModel
from .traffic import HeaderName


class Analysis(StrictWireModel):
    """What the new version must keep to while it is tried; measured at the ingress, over one step."""

    max_error_percent: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Answers of 5xx, and requests that got none."""
    max_p95_ms: Annotated[float, Field(gt=0)] | None = None
    max_p99_ms: Annotated[float, Field(gt=0)] | None = None
    min_requests: Annotated[int, Field(ge=1)] = 20
    """To the new version in a step, before it is judged; a step waits until there were so many."""


class Rolling(StrictWireModel):
    """The old version answers until the new one is ready; then all requests go there at once."""

    type: Literal["rolling"] = "rolling"


class Recreate(StrictWireModel):
    """The old version ends before the new one starts, and requests in between are answered 503.

    For models that do not fit beside each other.
    """

    type: Literal["recreate"] = "recreate"


class BlueGreen(StrictWireModel):
    """The new version starts beside the old one and is tried; then all requests move at once."""

    type: Literal["blueGreen"] = "blueGreen"
    auto_promote: bool = False
    """Move as soon as the new version is ready. Without it the rollout waits to be promoted or aborted."""
    preview_header: HeaderName = "x-klever-preview"
    """Requests with this header, of value `true`, reach the new version while it waits."""


class Canary(StrictWireModel):
    """The new version gets an increasing share of the traffic while it meets its criteria, else it is rolled back."""

    type: Literal["canary"] = "canary"
    steps: Annotated[tuple[Annotated[int, Field(ge=1, le=99)], ...], Field(min_length=1, max_length=50)] = (5, 25, 50)
    """Increasing percentages for the new version; 100 follows automatically."""
    interval_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Shortest time for a step."""
    analysis: Analysis = Analysis()

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.steps)):
            raise ValueError(f"steps must grow: {', '.join(map(str, self.steps))}")
        return self


Strategy = Annotated[Rolling | Recreate | BlueGreen | Canary, Field(discriminator="type")]
