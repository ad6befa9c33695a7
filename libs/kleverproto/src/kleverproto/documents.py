"""The shape every stored document shares: spec, status, generation, timestamps."""

from datetime import datetime
from typing import Generic, TypeVar

from .base import WireModel

SpecT = TypeVar("SpecT", bound=WireModel)
StatusT = TypeVar("StatusT", bound=WireModel)


class Condition(WireModel):
    """A named fact about a document, as in Kubernetes."""

    type: str
    status: bool
    reason: str
    message: str = ""


class Problem(WireModel):
    """Why something failed: a stable code for programs and a message for people."""

    code: str
    """snake_case and stable, such as `invalid_model`."""
    message: str
    """What happened and what to do."""


class Document(WireModel, Generic[SpecT, StatusT]):
    """A document in a KV bucket. Only the owner of the bucket writes it."""

    spec: SpecT
    status: StatusT
    generation: int = 1
    """Grows by one with each change of the spec."""
    created_at: datetime
    updated_at: datetime
