"""Converts responses of registries to errors and values."""

import time
from typing import Any

import aiohttp

from modelformats.bounded_json import load_json
from ormb.digest import CHUNK
from ormb.errors import AuthenticationError, NotFoundError, OrmbError, RegistryError
from ormb.reference import Reference

from .pauses import retry_after

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
THROTTLING_STATUSES = frozenset({429, 503})
"""HTTP statuses for which Retry-After is read."""
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
LIST_LIMIT = 16 * 1024 * 1024
"""Maximum size of one page of a list, in bytes."""
MOST_PAGES, MOST_ENTRIES = 100_000, 1_000_000
DETAIL_BYTES = 64 * 1024
UNSUPPORTED = "UNSUPPORTED"
"""Error code of OCI distribution. Klever's gateway sends it with status 404 and the address of its registry."""


class ChallengedError(RegistryError):
    """The registry requires authorization, which is available by now: the same request may succeed."""


class BusyError(RegistryError):
    """The registry is reachable, but cannot process the request now.

    Args:
        message: for people.
        pause: seconds to wait before the next request, if the registry requests a pause.
    """

    transient = True

    def __init__(self, message: str, *, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def requested_pause(response: aiohttp.ClientResponse) -> float | None:
    """Return the number of seconds for which the sender wants no requests."""
    return retry_after(response.headers, time.time()) if response.status in THROTTLING_STATUSES else None


async def content_of(response: aiohttp.ClientResponse, limit: int, name: str) -> bytes:
    """Return the body of a response. Raises RegistryError if it is larger than the limit."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise RegistryError(f"{name} is larger than {limit} bytes: it is refused")
    return bytes(body)


async def read_list(response: aiohttp.ClientResponse, field: str) -> list[Any]:
    """Return a list from the JSON object of a response; empty if the field is missing.

    Raises:
        RegistryError: the value is not a list, or the response is larger than the limit for lists.
    """
    content = await content_of(response, LIST_LIMIT, "a list")
    try:
        document = load_json(content, most_bytes=LIST_LIMIT)
        return list(document.get(field) or [])
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(f"{response.url.origin()} answers with no list of {field}: {error}") from error


class Pages:
    """Counts the pages of a list. A registry could name a next page forever."""

    def __init__(self) -> None:
        self._pages = self._entries = 0

    def count(self, entries: int) -> None:
        """Count a page with this number of entries. Raises RegistryError if the list is too long."""
        self._pages += 1
        self._entries += entries
        if self._pages > MOST_PAGES or self._entries > MOST_ENTRIES:
            raise RegistryError(f"the registry lists more than {MOST_ENTRIES} entries, or {MOST_PAGES} pages: refused")


async def raise_for(response: aiohttp.ClientResponse, reference: Reference) -> None:
    """Raise the error for a response with an error status. Raises NotFoundError, AuthenticationError, RegistryError."""
    if response.ok:
        return
    body = await response.content.read(DETAIL_BYTES)
    detail = _detail(body)
    if response.status == NOT_FOUND:
        raise _not_found(body, reference)
    if response.status == FORBIDDEN:
        reason = ". ".join(error.get("message", "").rstrip(".") for error in _errors(body))
        why = f": {reason}" if reason else ""
        raise AuthenticationError(
            f"{reference.host} refuses your account for {reference.repository}{why}. "
            f"With another account: `ormb login {reference.host}`"
        )
    if response.status in TRANSIENT_STATUSES:
        raise BusyError(
            f"the registry at {reference.host} answered {response.status}{detail}: try again later",
            pause=requested_pause(response),
        )
    raise RegistryError(
        f"the registry at {reference.host} refused {reference}: {response.status}{detail}", status=response.status
    )


async def raise_for_store(response: aiohttp.ClientResponse, reference: Reference) -> None:
    """Like `raise_for`, for the host to which a registry redirects. Neither the name nor the account is the cause."""
    if response.ok:
        return
    detail = _detail(await response.content.read(DETAIL_BYTES))
    message = f"the store at {response.url.authority}, to which {reference.host} redirects, answered {response.status}"
    if response.status in TRANSIENT_STATUSES:
        raise BusyError(f"{message}{detail}: try again later", pause=requested_pause(response))
    raise RegistryError(f"{message}{detail}: ask who runs {reference.host}", status=response.status)


def _not_found(body: bytes, reference: Reference) -> OrmbError:
    """Return the error for a 404: the name does not exist, or the host is not an OCI registry."""
    errors = _errors(body)
    if any(error.get("code") == UNSUPPORTED for error in errors):
        return RegistryError(". ".join(error.get("message", "") for error in errors), status=NOT_FOUND)
    if body and not errors:
        return NotFoundError(
            f"{reference} was not found, and {reference.host} does not answer as an OCI registry: check host and port"
        )
    return NotFoundError(f"{reference} is not in the registry: check the name with `ormb inspect`, or push it first")


def _detail(body: bytes) -> str:
    """Return the message in the error document of the registry, if there is one."""
    return "".join(f" {error.get('code', '')}: {error.get('message', '')}" for error in _errors(body))


def _errors(body: bytes) -> list[dict[str, str]]:
    try:
        return [{str(key): str(value) for key, value in error.items()} for error in load_json(body)["errors"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
