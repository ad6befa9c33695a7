"""Responses for documents, lists and accepted requests."""

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel

from klever_gateway.domain.queries import Page
from klever_gateway.domain.rows import Row
from klever_gateway.service.submitter import Accepted

from .operation import JSON

CORRELATION_ID = "X-Correlation-Id"


def document(row: Row) -> web.Response:
    """Return the response for a document, with its stored JSON."""
    return web.Response(text=row.body, content_type=JSON, headers={"ETag": f'"{row.generation}"'})


def value(body: BaseModel) -> web.Response:
    """Return the response for a value that is not a document."""
    return web.Response(text=body.model_dump_json(), content_type=JSON)


def page(part: Page) -> web.Response:
    """Return the response for a page of documents, with their stored JSON."""
    return _list(part.total, part.bodies)


def items(total: int, values: Sequence[BaseModel], *, status: int = 200) -> web.Response:
    """Return the response for a page of values."""
    return _list(total, [value.model_dump_json(exclude_none=True) for value in values], status)


def accepted(request: Accepted) -> web.Response:
    """Return a 202 response with the requested document."""
    headers = {CORRELATION_ID: request.correlation_id, "ETag": f'"{request.generation}"'}
    return web.Response(text=request.body, status=202, content_type=JSON, headers=headers)


def _list(total: int, bodies: Sequence[str], status: int = 200) -> web.Response:
    text = f'{{"metadata":{{"totalItems":{total}}},"items":[{",".join(bodies)}]}}'
    return web.Response(text=text, status=status, content_type=JSON)
