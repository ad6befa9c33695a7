"""What a registry's answer means: the errors that people read."""

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
"""Those to which Retry-After belongs."""
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
LIST_LIMIT = 16 * 1024 * 1024
"""Bytes of one page of a list."""
MOST_PAGES, MOST_ENTRIES = 100_000, 1_000_000
DETAIL_BYTES = 64 * 1024
UNSUPPORTED = "UNSUPPORTED"
"""Code of OCI distribution; with 404 Klever's gateway says where its registry is."""


class ChallengedError(RegistryError):
    """The registry asked for authorization, which there is now: the same request may succeed."""


class BusyError(RegistryError):
    """The registry is there but cannot answer now.

    Args:
        message: for people.
        pause: seconds after which it wants to be asked again, where it says that.
    """

    transient = True

    def __init__(self, message: str, *, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def pause_asked_for(response: aiohttp.ClientResponse) -> float | None:
    """Seconds for which the answer's sender wants no request."""
    return retry_after(response.headers, time.time()) if response.status in THROTTLING_STATUSES else None


async def content_of(response: aiohttp.ClientResponse, limit: int, name: str) -> bytes:
    """The body of an answer. Raises RegistryError where it has more bytes than the limit."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise RegistryError(f"{name} is larger than {limit} bytes: it is refused")
    return bytes(body)


async def listed_in(response: aiohttp.ClientResponse, field: str) -> list[Any]:
    """A list in the JSON object of an answer; empty where it has none.

    Raises:
        RegistryError: it is none, or larger than any list needs to be.
    """
    content = await content_of(response, LIST_LIMIT, "a list")
    try:
        document = load_json(content, most_bytes=LIST_LIMIT)
        return list(document.get(field) or [])
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(f"{response.url.origin()} answers with no list of {field}: {error}") from error


class Pages:
    """Counts the pages of a list, of which a registry may name one more without end."""

    def __init__(self) -> None:
        self._pages = self._entries = 0

    def count(self, entries: int) -> None:
        """One more page, with so many entries. Raises RegistryError."""
        self._pages += 1
        self._entries += entries
        if self._pages > MOST_PAGES or self._entries > MOST_ENTRIES:
            raise RegistryError(f"the registry lists more than {MOST_ENTRIES} entries, or {MOST_PAGES} pages: refused")


async def raise_for(response: aiohttp.ClientResponse, reference: Reference) -> None:
    """Turn the registry's refusal into an error. Raises NotFoundError, AuthenticationError, RegistryError."""
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
            pause=pause_asked_for(response),
        )
    raise RegistryError(
        f"the registry at {reference.host} refused {reference}: {response.status}{detail}", status=response.status
    )


async def raise_for_store(response: aiohttp.ClientResponse, reference: Reference) -> None:
    """As `raise_for`, for the host that a registry redirects to: neither the name nor the account is at fault."""
    if response.ok:
        return
    detail = _detail(await response.content.read(DETAIL_BYTES))
    message = f"the store at {response.url.authority}, to which {reference.host} redirects, answered {response.status}"
    if response.status in TRANSIENT_STATUSES:
        raise BusyError(f"{message}{detail}: try again later", pause=pause_asked_for(response))
    raise RegistryError(f"{message}{detail}: ask who runs {reference.host}", status=response.status)


def _not_found(body: bytes, reference: Reference) -> OrmbError:
    """Nothing of this name; or no registry, whose 404 is not what the specification wants."""
    errors = _errors(body)
    if any(error.get("code") == UNSUPPORTED for error in errors):
        return RegistryError(". ".join(error.get("message", "") for error in errors), status=NOT_FOUND)
    if body and not errors:
        return NotFoundError(
            f"{reference} was not found, and {reference.host} does not answer as an OCI registry: check host and port"
        )
    return NotFoundError(f"{reference} is not in the registry: check the name with `ormb inspect`, or push it first")


def _detail(body: bytes) -> str:
    """What the registry says, if it says it as the specification wants."""
    return "".join(f" {error.get('code', '')}: {error.get('message', '')}" for error in _errors(body))


def _errors(body: bytes) -> list[dict[str, str]]:
    try:
        return [{str(key): str(value) for key, value in error.items()} for error in load_json(body)["errors"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
