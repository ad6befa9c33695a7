"""Reads bodies, queries and headers of requests."""

from hashlib import sha256
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from klever_gateway.domain.invalid import checked, invalid_request
from klever_gateway.domain.preconditions import Conditions
from klever_gateway.errors import InvalidRequestError, MalformedRequestError, UnsupportedMediaTypeError
from klever_gateway.routes.schemas.queries import WriteQuery
from kleverproto.servings import LARGEST_GENERATION

from .operation import JSON

ModelT = TypeVar("ModelT", bound=BaseModel)

IF_MATCH = "If-Match"
IDEMPOTENCY_KEY = "Idempotency-Key"
CONDITIONS = (IF_MATCH, IDEMPOTENCY_KEY)
LONGEST_KEY = 255


async def read_body(request: web.Request, model: type[ModelT]) -> ModelT:
    """Parse the body by its model.

    Requires the content type JSON: browsers let a page of another site send other types to this address, but JSON only
    with permission by CORS, which the gateway grants to no site.
    """
    if request.content_type != JSON:
        raise UnsupportedMediaTypeError(f"send the body with Content-Type: {JSON}, not {request.content_type}")
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise MalformedRequestError(f"the body is not JSON: {error.errors()[0]['msg']}") from error
        raise invalid_request(error, model) from error


def read_query(request: web.Request, model: type[ModelT]) -> ModelT:
    """Parse the query parameters by their model. A repeated parameter is a list."""
    parameters: dict[str, str | list[str]] = {}
    for name in request.query:
        values = request.query.getall(name)
        parameters[name] = values if len(values) > 1 else values[0]
    return checked(model, parameters, "query")


async def read_conditions(request: web.Request) -> Conditions:
    """Parse the headers `If-Match` and `Idempotency-Key`, and the query `dryRun`. Raises InvalidRequestError."""
    dry_run = read_query(request, WriteQuery).dry_run
    return Conditions(if_match=_if_match(request), key=await _request_key(request), dry_run=dry_run)


def _if_match(request: web.Request) -> int | None:
    """Return the generation that the client requires; None for any."""
    text = request.headers.get(IF_MATCH, "*").removeprefix("W/").strip('"')
    if text == "*":
        return None
    if not text.isdecimal() or not 0 < int(text) < LARGEST_GENERATION:
        raise InvalidRequestError(f"If-Match takes a generation such as 3, not {text!r}")
    return int(text)


async def _request_key(request: web.Request) -> str | None:
    """Return the identity of the request at every gateway: a hash of the client's key and the request itself."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidRequestError(f"{IDEMPOTENCY_KEY} takes 1 to {LONGEST_KEY} characters, such as a UUID")
    parts = (request.method, request.path, request.headers.get(IF_MATCH, ""), key)
    return sha256("\n".join(parts).encode(errors="surrogateescape") + b"\n" + await request.read()).hexdigest()
