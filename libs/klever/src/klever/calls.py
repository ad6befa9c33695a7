"""The connection to the gateway's REST API, which all parts of the SDK share."""

import uuid
from collections.abc import Mapping
from typing import Any, Self, TypeVar

import aiohttp

from kleverproto.base import WireModel

from .answers import Page, parse_response
from .infer_bodies import to_json
from .servers import find_gateway
from .transport import Transport

DocumentT = TypeVar("DocumentT", bound=WireModel)

BASE = "/api/v1alpha1"
PAGE = 500
IDEMPOTENCY_KEY = "Idempotency-Key"
"""Header by which the gateway recognizes a repeated request."""


class Calls:
    """A connection to a platform; use it as an async context manager.

    Args:
        server: URL of the gateway; see `servers.find_gateway` for the default.
        token: the token of the gateway; see `servers.find_gateway` for the default.

    Raises:
        InputError: the URL is invalid.
        PlatformError: no gateway is configured, and no platform runs with this home.
    """

    def __init__(self, server: str | None = None, token: str | None = None) -> None:
        self._gateway = find_gateway(server, token)
        self.server = self._gateway.url

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=5)
        self._session = aiohttp.ClientSession(timeout=timeout, json_serialize=to_json)
        self._http = Transport(self._session, self._gateway)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    async def _get(self, path: str, document: type[DocumentT]) -> DocumentT:
        return await self._read(document, "GET", path)

    async def _read(self, document: type[DocumentT], method: str, path: str, **options: Any) -> DocumentT:
        return parse_response(document, await self._call(method, path, **options), self._url(path))

    async def _list(self, path: str, document: type[DocumentT], filters: Mapping[str, str]) -> list[DocumentT]:
        """Return the items of all pages of a list."""
        items: list[DocumentT] = []
        while True:
            params = {**filters, "start": len(items), "limit": PAGE}
            page = await self._read(Page, "GET", path, params=params)
            items += [parse_response(document, item, self._url(path)) for item in page.items]
            if not page.items or len(items) >= page.metadata.total_items:
                return items

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to the gateway. Each call that changes something has a key of its own.

        A repetition of the request, by aiohttp after a lost connection or by a proxy, has the same key.
        """
        headers = options.pop("headers", {})
        if method != "GET":
            headers = {IDEMPOTENCY_KEY: str(uuid.uuid4()), **headers}
        return await self._http.json(method, self._url(path), headers=headers, **options)

    def _url(self, path: str) -> str:
        return f"{self.server}{BASE}{path}"
