"""What the SDK relies on in answers; one without it comes from no Klever, or from one of another release."""

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from kleverproto.base import WireModel
from kleverproto.envelope import Event, InvalidEventError, parse

from .errors import UnreachableError

ModelT = TypeVar("ModelT", bound=WireModel)

STRUCTURED = {"content-type": "application/cloudevents+json"}


class PageMetadata(WireModel):
    """About a list."""

    total_items: int


class Page(WireModel):
    """A part of a list."""

    metadata: PageMetadata
    items: list[Any]


class PlatformUrls(WireModel):
    """Where the platform can be reached."""

    registry: str


class Platform(WireModel):
    """What `/platform` answers."""

    urls: PlatformUrls


class LoginLink(WireModel):
    """What lets a browser in."""

    url: str


class Rebuilt(WireModel):
    """What the registry answers once its catalogue is made anew."""

    versions: int


class TensorMetadata(WireModel):
    """An input of a model, as the Open Inference Protocol has it."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(WireModel):
    """The metadata of a model, as the Open Inference Protocol has it."""

    inputs: list[TensorMetadata]


class OutputTensor(WireModel):
    """An output, likewise."""

    name: str
    shape: list[int]
    data: list[Any]


class Inference(WireModel):
    """The answer to an infer request, likewise."""

    outputs: list[OutputTensor]


def understood(kind: type[ModelT], answer: Any, url: str) -> ModelT:
    """An answer as what it should be. Raises UnreachableError where it is something else."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise not_understood(url) from error


def events_of(answer: Any, url: str) -> list[Event[Any]]:
    """A list of events. Raises UnreachableError where it is something else."""
    try:
        return [parse(STRUCTURED, json.dumps(item).encode()) for item in understood(Page, answer, url).items]
    except InvalidEventError as error:
        raise not_understood(url) from error


def not_understood(url: str) -> UnreachableError:
    """The error for an answer that is something else than it should be."""
    return UnreachableError(
        f"{url} does not answer as a Klever of this release does: check --server, and whether both are of one release"
    )
