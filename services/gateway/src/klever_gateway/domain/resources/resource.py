"""Custom resources as the controller sees them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import ValidationError

from kleverproto.custom_resources import FINALIZER, ORIGIN_LABEL, PLATFORM_ORIGIN, ResourceStatus

StatusT = TypeVar("StatusT", bound=ResourceStatus)


class ResourceKind(StrEnum):
    """Kinds of custom resources."""

    MODEL_JOB = "ModelJob"
    SERVING = "Serving"


@dataclass(frozen=True, order=True)
class ResourceName:
    """The name of a resource."""

    kind: ResourceKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as last read from the cluster."""

    name: ResourceName
    uid: str
    """Distinguishes resources that had the same name one after another."""
    version: str
    """Changes with each write."""
    generation: int
    """Changes with each write of the spec."""
    is_deleting: bool = False
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """True if the resource stays until the platform releases it."""
        return FINALIZER in self.finalizers

    @property
    def is_mirror(self) -> bool:
        """True if the resource shows a job that no ModelJob has requested."""
        return self.labels.get(ORIGIN_LABEL) == PLATFORM_ORIGIN

    @property
    def is_accepted(self) -> bool:
        """True if the platform has accepted this generation."""
        return int(self.status.get("acceptedGeneration", 0)) >= self.generation

    @property
    def job(self) -> str:
        """The id of the job of a ModelJob; empty if it has none yet."""
        return str(self.status.get("job", ""))

    @property
    def request_key(self) -> str:
        """The key of the request for this generation: see `preconditions.Conditions`."""
        return f"kubernetes/{self.uid}/{self.generation}"

    @property
    def deletion_key(self) -> str:
        """The key of the request for the deletion."""
        return f"kubernetes/{self.uid}/deletion"

    def read_status(self, model: type[StatusT]) -> StatusT:
        """Return the status; an empty one if it is not valid, because it is derived again."""
        try:
            return model.model_validate(self.status)
        except ValidationError:
            return model()


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A change of a resource's state, published as an Event of Kubernetes."""

    reason: str
    message: str
    is_warning: bool = False
