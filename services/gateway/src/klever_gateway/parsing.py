"""Requests to values, and values to responses."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from .domain.queries import Page
from .domain.rows import Row
from .errors import InvalidRequestError, MalformedRequestError, UnsupportedMediaTypeError
from .operations import JSON
from .problems import invalid
from .service.writing import Written

ModelT = TypeVar("ModelT", bound=BaseModel)

CORRELATION_ID = "X-Correlation-Id"


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


def document(row: Row) -> web.Response:
    """A document as it lies in the projection."""
    return web.Response(text=row.body, content_type=JSON, headers={"ETag": f'"{row.generation}"'})


def value(found: BaseModel) -> web.Response:
    """A value that is no document."""
    return web.Response(text=found.model_dump_json(), content_type=JSON)


def page(found: Page) -> web.Response:
    """Part of a list, its documents as they lie in the projection."""
    return _list(found.total, found.bodies)


def items(total: int, values: Sequence[BaseModel], *, status: int = 200) -> web.Response:
    """Part of a list of values."""
    return _list(total, [value.model_dump_json(exclude_none=True) for value in values], status)


def accepted(written: Written) -> web.Response:
    """202 with the document as it will be."""
    headers = {CORRELATION_ID: written.correlation_id, "ETag": f'"{written.generation}"'}
    return web.Response(text=written.body, status=202, content_type=JSON, headers=headers)


def _list(total: int, bodies: Sequence[str], status: int = 200) -> web.Response:
    text = f'{{"metadata":{{"totalItems":{total}}},"items":[{",".join(bodies)}]}}'
    return web.Response(text=text, status=status, content_type=JSON)
