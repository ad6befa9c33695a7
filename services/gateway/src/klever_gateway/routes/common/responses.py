"""Writes documents, lists and accepted requests as responses."""

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel

from klever_gateway.domain.queries import Page
from klever_gateway.domain.rows import Row
from klever_gateway.service.writing import Written

from .operation import JSON

CORRELATION_ID = "X-Correlation-Id"


def document(row: Row) -> web.Response:
    """A document as the projection stores it."""
    return web.Response(text=row.body, content_type=JSON, headers={"ETag": f'"{row.generation}"'})


def value(body: BaseModel) -> web.Response:
    """A value that is no document."""
    return web.Response(text=body.model_dump_json(), content_type=JSON)


def page(part: Page) -> web.Response:
    """Part of a list, its documents as the projection stores them."""
    return _list(part.total, part.bodies)


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
