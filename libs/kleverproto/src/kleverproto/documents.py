"""The common structure of all documents, and the tombstone of a deleted one."""

from datetime import datetime
from typing import Generic, Self, TypedDict, TypeVar, Unpack

from .base import WireModel

SpecT = TypeVar("SpecT", bound=WireModel)
StatusT = TypeVar("StatusT", bound=WireModel)
DocT = TypeVar("DocT", bound=WireModel)


class Problem(WireModel):
    """The reason of a failure: a stable code for programs and a message for people."""

    code: str
    """Stable code in snake_case, such as `invalid_model`."""
    message: str
    """The problem and its remedy, as a sentence."""


class DocumentChanges(TypedDict, Generic[SpecT, StatusT], total=False):
    """Fields of a document that can be replaced."""

    spec: SpecT
    status: StatusT
    generation: int
    updated_at: datetime


class Document(WireModel, Generic[SpecT, StatusT]):
    """A document in a KV bucket. Only the owner of the bucket writes it."""

    spec: SpecT
    status: StatusT
    generation: int = 1
    """Increases by one with each change of the spec."""
    created_at: datetime
    updated_at: datetime

    def replace(self, **changes: Unpack[DocumentChanges[SpecT, StatusT]]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class Intent(WireModel):
    """The request that led to a document's spec or deletion. Requests are ordered by their sequences in the stream."""

    sequence: int
    """Sequence of the request in its stream."""
    event_id: str
    correlation_id: str

    def at(self, sequence: int) -> Self:
        """Return a copy with another sequence."""
        return self.model_copy(update={"sequence": sequence})


def is_late(known: Intent | None, intent: Intent) -> bool:
    """Return whether a request is the known one or an older one. A late request changes nothing."""
    return known is not None and intent.sequence <= known.sequence


class TombstoneChanges(TypedDict, total=False):
    """Fields of Tombstone that can be replaced."""

    intent: Intent | None
    announced: bool


class Tombstone(WireModel, Generic[DocT]):
    """The record of a deleted document, or of a deletion that preceded its document.

    With it, the owner recognises late requests, and publishes the event of the deletion if a crash prevented that. It
    is the payload of the KV bucket's delete marker, so that every reader of the bucket sees a deletion.
    """

    document: DocT | None = None
    """The last document; None if it never existed."""
    intent: Intent | None = None
    """The request that deleted it."""
    announced: bool = False
    """True if the event of the deletion has been published."""
    deleted_at: datetime

    def replace(self, **changes: Unpack[TombstoneChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)
