"""Reads bodies, queries and headers of requests."""

from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from klever_gateway.errors import InvalidRequestError, MalformedRequestError, UnsupportedMediaTypeError
from klever_gateway.routes.openapi.operation import JSON

from .problems import invalid

ModelT = TypeVar("ModelT", bound=BaseModel)


async def read_body(request: web.Request, model: type[ModelT]) -> ModelT:
    """The body, by its model.

    The declared type is checked because a page of another site may send anything to this address, but JSON only with
    our permission (CORS), which nobody has.
    """
    if request.content_type != JSON:
        raise UnsupportedMediaTypeError(f"send the body with Content-Type: {JSON}, not {request.content_type}")
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise MalformedRequestError(f"the body is not JSON: {error.errors()[0]['msg']}") from error
        raise invalid(error, model) from error


def read_query(request: web.Request, model: type[ModelT]) -> ModelT:
    """The query parameters, by their model; a repeated one is a list."""
    given: dict[str, str | list[str]] = {}
    for name in request.query:
        values = request.query.getall(name)
        given[name] = values if len(values) > 1 else values[0]
    return checked(model, given, "query")


def checked(model: type[ModelT], values: Mapping[str, object], prefix: str = "") -> ModelT:
    """Values by their model. Raises InvalidRequestError, by field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error, model, prefix) from error


def if_match(request: web.Request) -> int | None:
    """The generation that the client has seen; None for any.

    Raises:
        InvalidRequestError: the header holds no generation.
    """
    text = request.headers.get("If-Match", "*").removeprefix("W/").strip('"')
    if text == "*":
        return None
    if not text.isdecimal():
        raise InvalidRequestError(f"If-Match takes a generation such as 3, not {text!r}")
    return int(text)
