"""Responses that are not documents of the contract."""

from typing import Any, Generic, TypeVar

from klever_gateway.domain.queries import ModelSummary, ProjectSummary
from kleverproto.base import WireModel
from kleverproto.envelope import Event
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.servings import ServingDocument

ItemT = TypeVar("ItemT")


class Urls(WireModel):
    """URLs of the platform."""

    gateway: str
    registry: str
    ingress: str


class PlatformInfo(WireModel):
    """Version and URLs of the platform."""

    version: str
    urls: Urls


class ListMetadata(WireModel):
    """Metadata of a list."""

    total_items: int
    """Number of items on all pages."""


class ItemList(WireModel, Generic[ItemT]):
    """A page of a list."""

    metadata: ListMetadata
    items: tuple[ItemT, ...]


class ProjectList(ItemList[ProjectSummary]):
    """Projects."""


class ModelList(ItemList[ModelSummary]):
    """Models of a project."""


class VersionList(ItemList[ModelDocument]):
    """Model versions."""


class JobList(ItemList[JobDocument]):
    """Jobs."""


class ServingList(ItemList[ServingDocument]):
    """Servings."""


class EventList(ItemList[Event[Any]]):
    """Events, oldest first."""
