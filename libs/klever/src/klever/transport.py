"""HTTP of the SDK: JSON requests and responses, errors in problem+json, server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from yarl import URL

from kleverproto.codes import HTTP_ERROR
from kleverproto.envelope import Event, parse
from ormb.tracing import trace_headers

from .answers import STRUCTURED, invalid_response
from .errors import ApiError, UnreachableError
from .servers import Gateway

SILENCE_SECONDS = 60.0
"""The gateway sends comments more often than this; a longer silence means a broken connection."""
RESUME_SECONDS = 60.0
"""Seconds for which an event stream is reopened while the platform does not respond."""
PAUSE_SECONDS = 0.5
"""Seconds between two connections of an event stream."""
SERVER_ERROR = 500
UNAUTHORIZED = 401
TEXT = "text/plain"
GAP = "gap"
"""Name of the frame that the gateway sends if events may be missing."""


class Transport:
    """Sends requests to the gateway with its token, over a session that the caller opens and closes.

    Responses of the gateway contain addresses of other servers, such as the ingress, which do not receive the token.
    """

    def __init__(self, session: aiohttp.ClientSession, gateway: Gateway) -> None:
        self._session = session
        self._gateway = gateway
        self._origin = URL(gateway.url).origin()

    async def json(self, method: str, url: str, **options: Any) -> Any:
        """Send a request and read JSON; None if the response is empty.

        Raises:
            ApiError: the response is an error.
            UnreachableError: there is no response, or it is not from Klever.
        """
        async with self.response(method, url, **options) as response:
            body = await response.read()
            return _decoded(body, url) if body else None

    async def lines(self, url: str, params: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield the lines of a text as they arrive. Raises the errors of `json`."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with self.response("GET", url, params=params, timeout=timeout) as response:
            if response.content_type != TEXT:
                raise invalid_response(url)
            async for line in response.content:
                yield line.decode(errors="replace").rstrip("\n")

    @asynccontextmanager
    async def response(self, method: str, url: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield a successful response, to be read in the block. Raises the errors of `json`."""
        headers = {**trace_headers(), **self.login(url), **options.pop("headers", {})}
        try:
            async with self._session.request(method, url, headers=headers, **options) as response:
                if not response.ok:
                    raise self._with_advice(_problem(response.status, await response.read()), url)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnreachableError(
                f"{url} does not respond: is the platform running? Start it on this machine with `klever up`, "
                "show its address with `klever status`"
            ) from error

    def login(self, url: str) -> dict[str, str]:
        """Return the headers for a URL, with the token if it is a URL of the gateway."""
        if self._gateway.token is None or not self._is_gateway(url):
            return {}
        return {"Authorization": f"Bearer {self._gateway.token}"}

    def _is_gateway(self, url: str) -> bool:
        try:
            return URL(url).origin() == self._origin
        except ValueError:  # the URL is incomplete; the request reports that
            return False

    def _with_advice(self, error: ApiError, url: str) -> ApiError:
        """Return the error with the places where the token can be set."""
        if error.status != UNAUTHORIZED or not self._is_gateway(url):
            return error
        advice = f"set the token of {self._origin} with --token-file, KLEVER_TOKEN_FILE or KLEVER_TOKEN"
        return ApiError(f"{error}; {advice}", status=error.status, code=error.code)


async def follow_events(
    http: Transport, url: str, filters: Mapping[str, str], on_gap: Callable[[str], None]
) -> AsyncGenerator[Event[Any], None]:
    """See `KleverClient.events`."""
    seen, answered = "", time.monotonic()
    while True:
        try:
            async for frame in _frames(http, url, filters, seen):
                seen, answered = frame.get("id", seen), time.monotonic()
                if frame.get("event") == GAP:
                    gap = json.loads(frame["data"])
                    on_gap(f"{gap['stream']}: {gap['reason']}")
                elif "data" in frame:
                    yield parse(STRUCTURED, frame["data"].encode())
        except (UnreachableError, ApiError) as error:
            refused = isinstance(error, ApiError) and error.status < SERVER_ERROR
            if not seen or refused or time.monotonic() - answered > RESUME_SECONDS:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def _frames(
    http: Transport, url: str, filters: Mapping[str, str], seen: str
) -> AsyncGenerator[dict[str, str], None]:
    """Yield the complete frames of one connection. Its end is not an error.

    Raises the errors of `Transport.response`.
    """
    headers = {"Last-Event-ID": seen} if seen else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_SECONDS)
    async with http.response("GET", url, params=filters, headers=headers, timeout=timeout) as response:
        frame: dict[str, str] = {}
        with suppress(aiohttp.ClientPayloadError):
            async for line in _lines(response):
                name, _, value = line.partition(":")
                if name:
                    frame[name] = value.removeprefix(" ")
                elif frame and not line:
                    yield frame
                    frame = {}


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """Yield the lines of an event stream (WHATWG HTML, section 9.2), of any length; without an incomplete last line."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode().rstrip("\r")


def _decoded(body: bytes, url: str) -> Any:
    try:
        return json.loads(body, parse_constant=lambda _: None)  # Triton's bare NaN and infinities are invalid JSON
    except ValueError as error:
        raise UnreachableError(f"{url} is not a Klever gateway: its response is not JSON. Check --server") from error


def _problem(status: int, body: bytes) -> ApiError:
    """Read problem+json from the gateway, `{"error": …}` from a model server, or anything else."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    errors = problem.get("errors")
    details = "; ".join(_format_problem(error) for error in errors) if isinstance(errors, list) else ""
    reason = details or problem.get("detail") or problem.get("error") or _unstructured_error(status, body)
    return ApiError(str(reason), status=status, code=str(problem.get("code", HTTP_ERROR)))


def _format_problem(error: Any) -> str:
    """Format the problem of a field, as the gateway reports it, or of an OCI registry."""
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return str(error)
    return f"{error['field']}: {error['message']}" if error.get("field") else str(error["message"])


def _unstructured_error(status: int, body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    if not text or text.startswith("<"):  # an HTML page
        return f"the request was rejected with HTTP status {status} and without a reason: check --server"
    return f"the request was rejected with HTTP status {status}: {text[:500]}"
