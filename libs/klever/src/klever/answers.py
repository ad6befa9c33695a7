"""The fields of responses that the SDK requires. A server without them is not Klever, or another release."""

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from kleverproto.base import WireModel
from kleverproto.envelope import Event, InvalidEventError, parse

from .errors import UnreachableError

ModelT = TypeVar("ModelT", bound=WireModel)

STRUCTURED = {"content-type": "application/cloudevents+json"}


class PageMetadata(WireModel):
    """The metadata of a list."""

    total_items: int


class Page(WireModel):
    """A page of a list."""

    metadata: PageMetadata
    items: list[Any]


class PlatformUrls(WireModel):
    """The addresses of the platform."""

    registry: str


class Platform(WireModel):
    """The response of `/platform`."""

    urls: PlatformUrls


class LoginLink(WireModel):
    """A link that logs a browser in."""

    url: str


class Rebuilt(WireModel):
    """The response to a rebuild of the catalogue."""

    versions: int


class TensorMetadata(WireModel):
    """An input of a model in the Open Inference Protocol."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(WireModel):
    """The metadata of a model in the Open Inference Protocol."""

    inputs: list[TensorMetadata]


class OutputTensor(WireModel):
    """An output of a model in the Open Inference Protocol."""

    name: str
    shape: list[int]
    data: list[Any]


class Inference(WireModel):
    """The response to an infer request in the Open Inference Protocol."""

    outputs: list[OutputTensor]


def parse_response(kind: type[ModelT], answer: Any, url: str) -> ModelT:
    """Validate a response. Raises UnreachableError if it is something else."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise invalid_response(url) from error


def parse_events(answer: Any, url: str) -> list[Event[Any]]:
    """Validate a list of events. Raises UnreachableError if it is something else."""
    try:
        return [parse(STRUCTURED, json.dumps(item).encode()) for item in parse_response(Page, answer, url).items]
    except InvalidEventError as error:
        raise invalid_response(url) from error


def invalid_response(url: str) -> UnreachableError:
    """Return the error for an invalid response."""
    return UnreachableError(
        f"{url} does not respond like a gateway of this release: check --server, and the releases of both sides"
    )
