"""Answers a registry's challenge: Basic, or a Bearer token from the token endpoint (Docker token authentication)."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp

from modelformats.threads import in_thread
from ormb.errors import AuthenticationError
from ormb.reference import Reference

from .credentials import Credentials, find_credentials

CLIENT = "ormb"


class Authorizer:
    """Remembers, for each repository and kind of access, which Authorization header a registry takes.

    Args:
        root: where credentials are kept.
        session: for token endpoints.
    """

    def __init__(self, root: Path, session: aiohttp.ClientSession) -> None:
        self._root = root
        self._session = session
        self._headers: dict[tuple[str, str, bool], str] = {}
        self._accepted: set[tuple[str, str, bool]] = set()

    def headers(self, reference: Reference, *, push: bool) -> dict[str, str]:
        """What to send; nothing until a challenge has come."""
        known = self._headers.get((reference.host, reference.repository, push))
        return {"Authorization": known} if known else {}

    def accepted(self, reference: Reference, *, push: bool) -> None:
        """The registry has taken what `headers` gave: if it refuses the same later, a token has expired."""
        self._accepted.add((reference.host, reference.repository, push))

    async def learn(self, reference: Reference, response: aiohttp.ClientResponse, *, push: bool) -> None:
        """Work out a header from a 401 answer.

        Raises:
            AuthenticationError: there are no credentials, or they are refused.
        """
        key = (reference.host, reference.repository, push)
        credentials = await in_thread(find_credentials, self._root, reference.host)
        if response.request_info.headers.get("Authorization") != self._headers.get(key):
            return  # another request has learnt while this one was on its way
        if self._headers.pop(key, None) is not None and key not in self._accepted:
            raise _refused(reference, credentials)
        self._accepted.discard(key)
        challenge = response.headers.get("WWW-Authenticate", "")
        if challenge.lower().startswith("bearer"):
            self._headers[key] = f"Bearer {await self._token(reference, challenge, credentials, push=push)}"
        elif credentials is not None:
            self._headers[key] = credentials.basic
        else:
            raise _refused(reference, None)

    async def _token(self, reference: Reference, challenge: str, credentials: Credentials | None, *, push: bool) -> str:
        from oras.auth import utils as oras_auth  # noqa: PLC0415 - 0.2 s that only this needs

        wanted = oras_auth.parse_auth_header(challenge)
        scope = f"repository:{reference.repository}:{'pull,push' if push else 'pull'}"
        fields = {"scope": scope} | ({"service": wanted.service} if wanted.service else {})
        if not wanted.realm:
            raise AuthenticationError(f"{reference.host} asks for a token but does not say where to get one")
        async with _ask(self._session, wanted.realm, fields, credentials) as response:
            if not response.ok:
                raise _refused(reference, credentials)
            return _token_in(await response.read(), wanted.realm)


def _ask(
    session: aiohttp.ClientSession, realm: str, fields: dict[str, str], credentials: Credentials | None
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """A token by GET (Docker token authentication), or for an identity token by POST (OAuth 2)."""
    if credentials is None:
        return session.get(realm, params=fields)
    if credentials.is_identity_token:
        grant = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": credentials.password}
        return session.post(realm, data={**fields, **grant})
    return session.get(realm, params=fields, headers={"Authorization": credentials.basic})


def _token_in(answer: bytes, realm: str) -> str:
    try:
        said = json.loads(answer)
        token = said.get("token") or said["access_token"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuthenticationError(f"{realm} answers without a token: tell who runs this registry") from error
    return str(token)


def _refused(reference: Reference, credentials: Credentials | None) -> AuthenticationError:
    if credentials is None:
        return AuthenticationError(f"{reference.host} wants credentials for {reference}: `ormb login {reference.host}`")
    return AuthenticationError(
        f"{reference.host} refuses {credentials.username!r} for {reference}: `ormb login {reference.host}` with an "
        "account that may use this repository"
    )
