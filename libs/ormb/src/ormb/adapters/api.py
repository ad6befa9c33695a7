"""Requests to the API of registries (OCI distribution 1.1), with authorization, error checks and retries."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from ormb.errors import RegistryUnavailableError
from ormb.reference import Reference

from .answers import UNAUTHORIZED, BusyError, ChallengedError, raise_for, raise_for_store
from .challenge import Authorizer
from .origins import exact, is_same_origin, within
from .pauses import LONGEST_PAUSE
from .transport import Body, Request, Transport

ResultT = TypeVar("ResultT")

TRIES = 5
LINK = re.compile(r"<([^<>]*+)>\s*+;([^<,]*+)")
IS_NEXT = re.compile(r'\brel="?next"?', re.IGNORECASE)


class RegistryApi:
    """Sends requests to registries.

    Args:
        transport: sends a request once.
        authorizer: responds to challenges.
        plain_http: use http for all hosts; hosts on this machine always use http.
        http_hosts: other hosts, as host:port, that use http.
        first_pause: seconds before the first retry after a temporary error; doubles with each retry.
    """

    def __init__(
        self,
        transport: Transport,
        authorizer: Authorizer,
        *,
        plain_http: bool = False,
        http_hosts: Container[str] = (),
        first_pause: float = 0.2,
    ) -> None:
        self._transport = transport
        self._authorizer = authorizer
        self._plain_http = plain_http
        self._http_hosts = http_hosts
        self._first_pause = first_pause

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        reference: Reference,
        *,
        headers: dict[str, str] | None = None,
        data: Body = None,
        push: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request with the authorization that is known. A challenge is processed for the next attempt."""
        authorization = self._authorizer.headers(reference, push=push)
        async with self._transport.send(Request(method, url, {**(headers or {}), **authorization}, data)) as response:
            is_registry = is_same_origin(response.url, url)
            if response.status == UNAUTHORIZED and is_registry:
                await self._authorizer.learn(reference, response, push=push)
                raise ChallengedError(f"{reference.host} asks for authorization")
            self._authorizer.accepted(reference, push=push)
            await (raise_for if is_registry else raise_for_store)(response, reference)
            yield response

    async def retried(self, attempt: Callable[[], Awaitable[ResultT]], *, even_unavailable: bool = True) -> ResultT:
        """Retry a call after temporary errors, after each challenge, and after the pause that a registry requests.

        Args:
            attempt: the call.
            even_unavailable: whether to retry if the registry does not respond at all.
        """
        budget = _Budget(self._first_pause)
        while True:
            try:
                return await attempt()
            except ChallengedError as error:
                budget.spend_try(error)
            except BusyError as error:
                await asyncio.sleep(budget.spend_pause(error))
            except RegistryUnavailableError as error:
                if not even_unavailable or isinstance(error.__cause__, aiohttp.ClientConnectorError):
                    raise  # if no process listens, a retry within seconds does not help: fail at once
                await asyncio.sleep(budget.spend_try(error))

    def next_page(self, reference: Reference, response: aiohttp.ClientResponse) -> URL | None:
        """Return the URL of the next page of a list (RFC 8288), or None. Raises ForeignHostError."""
        links = LINK.finditer(", ".join(response.headers.getall("Link", [])))
        following = next((link[1] for link in links if IS_NEXT.search(link[2])), None)
        return within(self.root(reference), following, response.url) if following is not None else None

    def url(self, reference: Reference, path: str) -> URL:
        """Return the URL of a path in the repository."""
        return exact(f"{self.root(reference)}{reference.repository}/{path}")

    def root(self, reference: Reference) -> URL:
        """Return the base URL of the registry's API. Every OCI registry responds to it."""
        is_http = self._plain_http or reference.is_loopback or reference.host in self._http_hosts
        scheme = "http" if is_http else "https"
        return exact(f"{scheme}://{reference.host}/v2/")


class _Budget:
    """Limits the number of retries of a request, and their total duration.

    Args:
        first_pause: seconds before the first retry; doubles with each retry.
    """

    def __init__(self, first_pause: float) -> None:
        self._next_pause = first_pause
        self._tries = 0
        self._asked_for = 0.0

    def spend_try(self, error: Exception) -> float:
        """Return the seconds until the next retry. Raises the error if no retry is left."""
        self._tries += 1
        if self._tries >= TRIES:
            raise error
        self._next_pause *= 2
        return self._next_pause / 2

    def spend_pause(self, error: BusyError) -> float:
        """Like `spend_try`. If the registry requested a pause, the transport waits, and only its length counts."""
        if error.pause is None:
            return self.spend_try(error)
        self._asked_for += max(1.0, error.pause)
        if self._asked_for > LONGEST_PAUSE:
            raise error
        return 0.0
