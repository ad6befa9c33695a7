"""Responds to a registry's challenges: a Bearer token from its endpoint (Docker token authentication), or Basic."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from modelformats.bounded_json import load_json
from modelformats.threads import in_thread
from ormb.errors import AuthenticationError, ForeignHostError
from ormb.reference import Reference

from .answers import TRANSIENT_STATUSES, BusyError, requested_pause
from .challenges import Challenge, parse_challenges
from .credentials import Credentials, Warn
from .origins import exact, may_issue_tokens
from .transport import AUTHORIZATION, Request, Transport

log = logging.getLogger(__name__)

CLIENT = "ormb"
PREFERENCE = ("bearer", "basic")
"""Schemes in order of preference: a leaked token does less harm than a leaked password."""
TOKEN_BYTES = 1024 * 1024
Key = tuple[str, str, bool]
FindCredentials = Callable[[str, Warn], Credentials | None]


@dataclass
class _Access:
    """The state of authentication for one repository and one kind of access."""

    header: str | None = None
    is_accepted: bool = False
    untried: list[Challenge] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Authorizer:
    """Remembers the Authorization header that a registry accepts for each repository and kind of access.

    Args:
        find: returns the credentials for a host; called in a thread.
        transport: sends requests to token endpoints.
    """

    def __init__(self, find: FindCredentials, transport: Transport) -> None:
        self._find = find
        self._transport = transport
        self._accesses: defaultdict[Key, _Access] = defaultdict(_Access)
        self._warned: set[str] = set()

    def headers(self, reference: Reference, *, push: bool) -> dict[str, str]:
        """Return the headers to send; empty before the first challenge."""
        header = self._accesses[_key(reference, push)].header
        return {AUTHORIZATION: header} if header else {}

    def accepted(self, reference: Reference, *, push: bool) -> None:
        """Record that the registry accepted the headers. If it rejects them later, the token has expired."""
        self._accesses[_key(reference, push)].is_accepted = True

    async def learn(self, reference: Reference, response: aiohttp.ClientResponse, *, push: bool) -> None:
        """Derive a header from a 401 response: from the preferred challenge first, then from the next one.

        Raises:
            AuthenticationError: there are no credentials, or the registry rejects them.
            ForeignHostError: the token endpoint must not receive the credentials.
        """
        access = self._accesses[_key(reference, push)]
        async with access.lock:
            if response.request_info.headers.get(AUTHORIZATION) != access.header:
                return  # another request received a header while this one was in flight
            if access.header is None or access.is_accepted:
                access.untried = _in_order(parse_challenges(response.headers.getall("WWW-Authenticate", [])))
            access.header, access.is_accepted = None, False
            access.header = await self._answer(reference, response.url, access.untried, push=push)

    async def _answer(self, reference: Reference, url: URL, untried: list[Challenge], *, push: bool) -> str:
        """Return the header for the first supported challenge, and remove this challenge from the list."""
        problems: list[str] = []
        credentials = await in_thread(self._find, reference.host, problems.append)
        self._warn(problems)
        refusal: AuthenticationError | ForeignHostError | None = None
        while untried:
            challenge = untried.pop(0)
            try:
                if challenge.scheme == "bearer":
                    return f"Bearer {await self._token(reference, url, challenge, credentials, push=push)}"
                if credentials is not None and not credentials.is_identity_token:
                    return credentials.basic
            except (AuthenticationError, ForeignHostError) as error:
                refusal = refusal or error
        last = refusal or _refused(reference, credentials)
        raise type(last)("; ".join([str(last), *problems])) from refusal

    async def _token(
        self, reference: Reference, url: URL, challenge: Challenge, credentials: Credentials | None, *, push: bool
    ) -> str:
        if not challenge.parameters.get("realm"):
            raise AuthenticationError(f"{reference.host} asks for a token but does not say where to get one")
        realm = exact(challenge.parameters["realm"], url)
        allowed = await self._credentials_for(reference, url, realm, credentials)
        service = challenge.parameters.get("service")
        fields = _scope(reference, push=push) | ({"service": service} if service else {})
        async with self._transport.send(_token_request(realm, fields, allowed)) as response:
            if response.status in TRANSIENT_STATUSES:
                raise BusyError(f"{realm.authority} gives no token now", pause=requested_pause(response))
            if not response.ok:
                raise _refused(reference, allowed)
            return _token_in(await response.content.read(TOKEN_BYTES), str(realm))

    async def _credentials_for(
        self, reference: Reference, url: URL, realm: URL, credentials: Credentials | None
    ) -> Credentials | None:
        """Return the credentials for the token endpoint: those of the registry, or those stored for its own host."""
        if credentials is None or may_issue_tokens(url, realm):
            return credentials
        stored = await in_thread(self._find, realm.authority, self._warned.add)
        if realm.scheme == "https" and stored is not None and stored != credentials:
            return stored
        raise ForeignHostError(
            f"{url.origin()} wants your credentials for {reference} to be sent to {realm.origin()}: refused, since "
            f"they are for {reference.host} only"
        )

    def _warn(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._warned:
                log.warning("%s", problem)
        self._warned.update(problems)


def _key(reference: Reference, push: bool) -> Key:  # noqa: FBT001 - private, and passed by name where it matters
    return reference.host, reference.repository, push


def _in_order(challenges: list[Challenge]) -> list[Challenge]:
    supported = [challenge for challenge in challenges if challenge.scheme in PREFERENCE]
    return sorted(supported, key=lambda challenge: PREFERENCE.index(challenge.scheme))


def _scope(reference: Reference, *, push: bool) -> dict[str, str]:
    """Return the scope to request; empty if only the login is checked."""
    if not reference.repository:
        return {}
    return {"scope": f"repository:{reference.repository}:{'pull,push' if push else 'pull'}"}


def _token_request(realm: URL, fields: dict[str, str], credentials: Credentials | None) -> Request:
    """Build the request for a token: GET (Docker token authentication), or POST for an identity token (OAuth 2)."""
    if credentials is not None and credentials.is_identity_token:
        grant = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": credentials.password}
        return Request("POST", realm, {}, {**fields, **grant})
    headers = {AUTHORIZATION: credentials.basic} if credentials else {}
    return Request("GET", realm.extend_query(fields), headers)


def _token_in(answer: bytes, realm: str) -> str:
    try:
        document = load_json(answer)
        token = document.get("token") or document["access_token"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuthenticationError(f"{realm} answers without a token: ask who runs this registry") from error
    return str(token)


def _refused(reference: Reference, credentials: Credentials | None) -> AuthenticationError:
    if credentials is None:
        return AuthenticationError(f"{reference.host} wants credentials for {reference}: `ormb login {reference.host}`")
    if not reference.repository:
        return AuthenticationError(f"{reference.host} refuses {credentials.username!r}: check the name and password")
    return AuthenticationError(
        f"{reference.host} refuses {credentials.username!r} for {reference}: `ormb login {reference.host}` with an "
        "account that may use this repository"
    )
