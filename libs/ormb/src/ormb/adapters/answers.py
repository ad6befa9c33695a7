"""What a registry's answer means: the errors that people read."""

import json
import time

import aiohttp

from ormb.errors import AuthenticationError, NotFoundError, RegistryError
from ormb.reference import Reference

from .pauses import retry_after

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
THROTTLING_STATUSES = frozenset({429, 503})
"""Those to which Retry-After belongs."""
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
DETAIL_BYTES = 64 * 1024


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


async def raise_for(response: aiohttp.ClientResponse, reference: Reference) -> None:
    """Turn the registry's refusal into an error. Raises NotFoundError, AuthenticationError, RegistryError."""
    if response.ok:
        return
    detail = _detail(await response.content.read(DETAIL_BYTES))
    if response.status == NOT_FOUND:
        raise NotFoundError(f"{reference} is not in the registry: check the name with `ormb inspect`, or push it first")
    if response.status == FORBIDDEN:
        raise AuthenticationError(
            f"{reference.host} refuses your account for {reference.repository}{detail}: "
            f"`ormb login {reference.host}` with one that may, or ask who runs it"
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
    said = f"the store at {response.url.authority}, to which {reference.host} redirects, answered {response.status}"
    if response.status in TRANSIENT_STATUSES:
        raise BusyError(f"{said}{detail}: try again later", pause=pause_asked_for(response))
    raise RegistryError(f"{said}{detail}: ask who runs {reference.host}", status=response.status)


def _detail(body: bytes) -> str:
    """What the registry says, if it says it as the specification wants."""
    try:
        errors: list[dict[str, str]] = json.loads(body)["errors"]
        return "".join(f" {error.get('code', '')}: {error.get('message', '')}" for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
