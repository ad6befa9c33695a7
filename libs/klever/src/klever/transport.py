"""HTTP as the SDK speaks it: JSON both ways, problem+json as errors, server-sent events."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from kleverproto.envelope import Event, parse

from .errors import ApiError, UnreachableError

SILENCE_SECONDS = 60.0
"""The gateway writes a comment more often than this, so a longer silence is a broken connection."""
GAP = "gap"
"""The name of what the gateway sends where events may be missing."""
STRUCTURED = {"content-type": "application/cloudevents+json"}


class Transport:
    """Sends requests over a session that its owner opens and closes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def json(self, method: str, url: str, **options: Any) -> Any:
        """Send a request and read JSON, None where the answer is empty.

        Raises:
            ApiError: the answer is an error.
            UnreachableError: there is no answer, or none of a Klever.
        """
        async with self.response(method, url, **options) as response:
            body = await response.read()
            return _decoded(body, url) if body else None

    @asynccontextmanager
    async def response(self, method: str, url: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response that is no error, to be read in the block. Raises as `json`."""
        try:
            async with self._session.request(method, url, **options) as response:
                if not response.ok:
                    raise _problem(response.status, await response.read())
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnreachableError(
                f"{url} does not answer: is the platform running? `klever up` starts it on this machine, "
                "`klever status` shows where it is"
            ) from error


async def follow_events(
    http: Transport, url: str, filters: Mapping[str, str], on_gap: Callable[[str], None]
) -> AsyncGenerator[Event[Any], None]:
    """See `KleverClient.events`."""
    seen: str | None = None
    kind = ""
    while True:
        headers = {"Last-Event-ID": seen} if seen else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_SECONDS)
        async with http.response("GET", url, params=filters, headers=headers, timeout=timeout) as response:
            with suppress(aiohttp.ClientPayloadError):
                async for name, value in _fields(response):
                    if name == "id":
                        seen = value
                    elif name == "event":
                        kind = value
                    elif name == "data" and kind == GAP:
                        gap = json.loads(value)
                        on_gap(f"{gap['stream']}: {gap['reason']}")
                    elif name == "data":
                        yield parse(STRUCTURED, value.encode())


async def _fields(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """The fields of an event stream (WHATWG HTML, section 9.2); the gateway writes one `data` for each event."""
    async for line in response.content:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        yield name, value.removeprefix(" ")


def _decoded(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnreachableError(f"{url} is no Klever, its answer is not JSON: check --server") from error


def _problem(status: int, body: bytes) -> ApiError:
    """Read problem+json from the gateway, `{"error": …}` from a model server, or anything else."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    fields = "; ".join(f"{error['field']}: {error['message']}" for error in problem.get("errors") or [])
    detail = problem.get("detail") or problem.get("error") or body.decode(errors="replace")[:500] or "no reason given"
    return ApiError(fields or str(detail), status=status, code=problem.get("code", "http_error"))
