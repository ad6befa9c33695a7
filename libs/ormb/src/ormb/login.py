"""Checks credentials with a registry before they are kept."""

from pathlib import Path

import aiohttp
from oras.auth import utils as oras_auth

from .adapters.credentials import Credentials
from .adapters.tls import verification
from .errors import AuthenticationError, RegistryUnavailableError
from .reference import Reference


async def check_login(
    host: str,
    credentials: Credentials,
    *,
    plain_http: bool = False,
    insecure: bool = False,
    ca_file: Path | None = None,
) -> None:
    """Ask the registry's base URL whether it takes the credentials.

    Raises:
        AuthenticationError: it does not.
        RegistryUnavailableError: it does not answer.
    """
    scheme = "http" if plain_http or Reference(host, "x").is_loopback else "https"
    connector = aiohttp.TCPConnector(ssl=verification(insecure=insecure, ca_file=ca_file))
    headers = {"Authorization": credentials.basic}
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(f"{scheme}://{host}/v2/") as response:
                challenge = response.headers.get("WWW-Authenticate", "")
                url = str(response.url)
            if challenge.lower().startswith("bearer"):
                url = oras_auth.parse_auth_header(challenge).realm or url
            async with session.get(url, headers=headers) as response:
                if not response.ok:
                    raise AuthenticationError(f"{host} refuses {credentials.username!r}: check the name and password")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RegistryUnavailableError(f"{host} does not answer ({error}): check the name and the port") from error
