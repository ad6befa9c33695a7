"""Sends one request: through the configured proxy, after the pause that the host requested, and along redirects."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from ormb.errors import ForeignHostError, ProxyError, RegistryError, RegistryUnavailableError
from ormb.tracing import trace_headers

from .answers import requested_pause
from .origins import exact, is_same_origin
from .pauses import Pauses
from .proxies import Proxies, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTHORIZATION = "Authorization"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10
SAFE_METHODS = frozenset({"GET", "HEAD"})
PROXY_LOGIN = 407
Body = bytes | AsyncIterator[bytes] | Mapping[str, str] | None


@dataclass(frozen=True)
class Request:
    """An HTTP request."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: Body = None

    def redirected(self, location: str) -> "Request":
        """Return the same request for the URL of a redirect, without credentials if the origin differs.

        Raises:
            ForeignHostError: it would no longer be encrypted.
            RegistryError: the request changes data, and must not be repeated on another host.
        """
        url = exact(location, self.url)
        if self.method not in SAFE_METHODS:
            raise RegistryError(f"{self.url.origin()} redirects {self.method} to {url.origin()}: use that address")
        if self.url.scheme == "https" and url.scheme == "http":
            raise ForeignHostError(
                f"{self.url.origin()} redirects to {url.origin()}, without encryption: refused, ask who runs it"
            )
        is_same = is_same_origin(self.url, url)
        headers = {name: value for name, value in self.headers.items() if is_same or name != AUTHORIZATION}
        return Request(self.method, url, headers)


class Transport:
    """Sends requests; see the module.

    Args:
        session: owns the connections; it must not read the environment.
        once: like `session`, for unencrypted requests to a proxy: some proxies close the connection after a response
        without announcing it.
        proxies: chooses the proxy.
        pauses: delays requests.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        once: aiohttp.ClientSession | None = None,
        proxies: Proxies | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self._session = session
        self._once_only = once or session
        self._proxies = proxies or Proxies()
        self._pauses = pauses or Pauses()

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the response at the end of all redirects.

        Raises:
            RegistryUnavailableError: a host does not respond.
            ProxyError: the proxy cannot be used.
            ThrottledError: a host accepts no requests for too long.
            ForeignHostError, RegistryError: see `Request.redirected`.
        """
        for _ in range(MOST_REDIRECTS):
            await self._pauses.wait(request.url)
            async with self._hop(request) as response:
                location = response.headers.get("Location") if response.status in REDIRECTS else None
                if location is None:
                    yield response
                    return
            request = request.redirected(location)
        raise RegistryError(f"{request.url.origin()} redirects without end: ask who runs it")

    @asynccontextmanager
    async def _hop(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        proxy = self._proxies.proxy_for(request.url)
        session = self._once_only if proxy and request.url.scheme == "http" else self._session
        with _translated_errors(request.url, proxy):
            async with session.request(
                request.method,
                request.url,
                headers={**request.headers, **trace_headers()},
                data=request.body,
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
            ) as response:
                if proxy and response.status == PROXY_LOGIN:
                    raise _refused(proxy, response.status)
                self._hold_back(response)
                yield response

    def _hold_back(self, response: aiohttp.ClientResponse) -> None:
        seconds = requested_pause(response)
        if seconds is not None:
            self._pauses.ask_for(response.url, seconds, response.status)


@contextmanager
def _translated_errors(url: URL, proxy: Proxy | None) -> "Iterator[None]":
    """Convert errors of the connection to errors that name the host or proxy that failed."""
    try:
        yield
    except aiohttp.ClientHttpProxyError as error:
        raise (_refused if error.status == PROXY_LOGIN else _unreachable)(proxy, error.status) from error
    except aiohttp.ClientProxyConnectionError as error:
        raise RegistryUnavailableError(f"{proxy} does not answer ({error}): check its address") from error
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise RegistryUnavailableError(
            f"the registry at {url.authority} does not answer ({str(error) or type(error).__name__}): "
            "is it running? `klever up` starts one on this machine"
        ) from error


def _refused(proxy: Proxy | None, _status: int) -> ProxyError:
    variable = proxy.variable if proxy else ""
    return ProxyError(f"{proxy} wants a login: write it as ${variable}=http://user:password@host:port")


def _unreachable(proxy: Proxy | None, status: int) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"{proxy} answered {status}: it does not let this machine reach the registry, or cannot reach it itself; "
        "ask who runs it, or name the registry in $NO_PROXY"
    )
