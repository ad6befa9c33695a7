"""Where credentials are: the environment, ormb's own file, Docker's, and credential helpers."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ormb.errors import AuthenticationError

CONFIG = "config.json"
TOKEN_USER = "<token>"  # noqa: S105 - what a credential helper says in place of a user
HELPER_SECONDS = 30
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DOCKER_HUB = "https://index.docker.io/v1/"
DOCKER_HOSTS = {"docker.io", "index.docker.io", "registry-1.docker.io"}


@dataclass(frozen=True)
class Credentials:
    """A user, or robot account, and its secret.

    Attributes:
        username: empty where the secret is an identity token.
        password: the secret.
    """

    username: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {_encoded(self)}"

    @property
    def is_identity_token(self) -> bool:
        """Whether the secret is to be exchanged for an access token (OAuth 2 refresh token)."""
        return not self.username


def find_credentials(root: Path, host: str) -> Credentials | None:
    """Credentials for a host: `ORMB_USERNAME` and `ORMB_PASSWORD`, then ormb's own file, then Docker's.

    Raises:
        AuthenticationError: an entry cannot be read, or a credential helper fails.
    """
    if (username := os.environ.get("ORMB_USERNAME")) and (password := os.environ.get("ORMB_PASSWORD")):
        return Credentials(username, password)
    for path in (root / CONFIG, _docker_config()):
        if (found := _in_config(_read(path), host)) is not None:
            return found
    return None


def store_credentials(root: Path, host: str, credentials: Credentials) -> None:
    """Keep credentials for a host, readable by the user only."""
    config = _read(root / CONFIG)
    config.setdefault("auths", {})[host] = {"auth": _encoded(credentials)}
    _write(root, config)


def forget_credentials(root: Path, host: str) -> bool:
    """Remove a host's credentials; whether there were any."""
    config = _read(root / CONFIG)
    found = config.get("auths", {}).pop(host, None) is not None
    if found:
        _write(root, config)
    return found


def _in_config(config: dict[str, Any], host: str) -> Credentials | None:
    """What a file in Docker's format has (docker-config-json); helpers win over what is written in the file."""
    helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
    if helper and (found := _from_helper(str(helper), host)) is not None:
        return found
    auths = config.get("auths") or {}
    entry = next((auths[name] for name in _names(host) if auths.get(name)), None)
    return _decode(host, entry) if entry else None


def _names(host: str) -> Iterator[str]:
    """How a host is spelt in such a file."""
    for name in (host, *_same_machine(host)):
        yield from (name, f"https://{name}", f"http://{name}", f"https://{name}/v2/", f"https://{name}/v1/")
    if host in DOCKER_HOSTS:
        yield DOCKER_HUB


def _same_machine(host: str) -> list[str]:
    """Other spellings of this machine: people log in to localhost, services pull from 127.0.0.1."""
    name, colon, port = host.rpartition(":")
    return [f"{other}{colon}{port}" for other in LOOPBACK if other != name] if colon and name in LOOPBACK else []


def _from_helper(helper: str, host: str) -> Credentials | None:
    """Ask `docker-credential-<helper>`; None where it knows nothing of the host."""
    server = DOCKER_HUB if host in DOCKER_HOSTS else host
    command = [f"docker-credential-{helper}", "get"]
    try:
        done = subprocess.run(
            command, input=server, capture_output=True, text=True, check=False, timeout=HELPER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthenticationError(f"the credential helper {command[0]} does not work: {error}") from error
    if done.returncode:
        return None
    try:
        answer = json.loads(done.stdout)
        username = "" if answer["Username"] == TOKEN_USER else answer["Username"]
        return Credentials(username, answer["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise AuthenticationError(f"{command[0]} answers with no credentials for {host}") from error


def _encoded(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _decode(host: str, entry: dict[str, str]) -> Credentials:
    try:
        if token := entry.get("identitytoken"):
            return Credentials("", token)
        username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise AuthenticationError(f"the stored credentials for {host} cannot be read: `ormb login {host}`") from error
    return Credentials(username, password)


def _docker_config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / CONFIG


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise AuthenticationError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise AuthenticationError(f"{path} cannot be read: it must hold a JSON object, as `docker login` writes it")
    return config


def _write(root: Path, config: dict[str, Any]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    new = root / f"{CONFIG}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(config, indent=2))
    new.replace(root / CONFIG)
