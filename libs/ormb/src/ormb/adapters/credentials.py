"""Finds credentials in the environment, in ormb's own file, in Docker's file, and with credential helpers."""

import base64
import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

Warn = Callable[[str], None]
"""Receives a sentence about a part of the configuration that is ignored."""
CONFIG = "config.json"
MAPPINGS = ("auths", "credHelpers")
TOKEN_USER = "<token>"  # noqa: S105 - what a credential helper says in place of a user
HELPER_SECONDS = 30
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DOCKER_HUB = "https://index.docker.io/v1/"
DOCKER_HOSTS = {"docker.io", "index.docker.io", "registry-1.docker.io"}


@dataclass(frozen=True)
class Credentials:
    """The name and secret of a user account or robot account.

    Attributes:
        username: empty if the secret is an identity token.
        password: the secret.
    """

    username: str
    password: str

    @property
    def basic(self) -> str:
        """Return the value of a Basic Authorization header."""
        return f"Basic {_encoded(self)}"

    @property
    def is_identity_token(self) -> bool:
        """Return whether the secret must be exchanged for an access token (OAuth 2 refresh token)."""
        return not self.username


def find_credentials(root: Path, host: str, warn: Warn = log.warning) -> Credentials | None:
    """Return the credentials for a host: from `ORMB_USERNAME` and `ORMB_PASSWORD`, ormb's own file, or Docker's file.

    A file that cannot be read is ignored with a warning, because it may not concern this host.
    """
    username, password = os.environ.get("ORMB_USERNAME"), os.environ.get("ORMB_PASSWORD")
    if username and password:
        return Credentials(username, password)
    if username or password:
        warn("of $ORMB_USERNAME and $ORMB_PASSWORD only one is set: neither is used")
    for path in (root / CONFIG, _docker_config()):
        if path is not None and (credentials := _in_config(path, host, warn)) is not None:
            return credentials
    return None


def store_credentials(root: Path, host: str, credentials: Credentials, warn: Warn = log.warning) -> None:
    """Store credentials for a host, readable only by the user. A file that cannot be read is renamed and kept.

    Raises:
        OSError: the file cannot be written.
    """
    config = _own_config(root, warn)
    config["auths"] = {**_mapping(config, "auths"), host: {"auth": _encoded(credentials)}}
    _write(root, config)


def forget_credentials(root: Path, host: str, warn: Warn = log.warning) -> bool:
    """Remove the credentials of a host. Returns whether there were any. Raises OSError."""
    config = _own_config(root, warn)
    was_there = _mapping(config, "auths").pop(host, None) is not None
    if was_there:
        _write(root, config)
    return was_there


def _own_config(root: Path, warn: Warn) -> dict[str, Any]:
    problems: list[str] = []
    config = _read(root / CONFIG, problems.append)
    if problems:
        aside = root / f"{CONFIG}.unreadable"
        (root / CONFIG).replace(aside)
        warn(f"{problems[0]}; it is kept as {aside}")
    return config


def _in_config(path: Path, host: str, warn: Warn) -> Credentials | None:
    """Return the credentials in a file of Docker's format (docker-config-json).

    Helpers take precedence over entries.
    """
    config = _read(path, warn)
    helper = _mapping(config, "credHelpers").get(host) or config.get("credsStore")
    if helper and (credentials := _from_helper(str(helper), host, warn)) is not None:
        return credentials
    auths = _mapping(config, "auths")
    entry = next((auths[name] for name in _names(host) if auths.get(name)), None)
    return _decode(path, host, entry, warn) if entry else None


def _mapping(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _names(host: str) -> Iterator[str]:
    """Yield the spellings of a host in such a file."""
    for name in (host, *_same_machine(host)):
        yield from (name, f"https://{name}", f"http://{name}", f"https://{name}/v2/", f"https://{name}/v1/")
    if host in DOCKER_HOSTS:
        yield DOCKER_HUB


def _same_machine(host: str) -> list[str]:
    """Return other spellings of this machine: people log in to localhost, services pull from 127.0.0.1."""
    name, colon, port = host.rpartition(":")
    return [f"{other}{colon}{port}" for other in LOOPBACK if other != name] if colon and name in LOOPBACK else []


def _from_helper(helper: str, host: str, warn: Warn) -> Credentials | None:
    """Run `docker-credential-<helper>`. Returns None if it has no credentials for the host."""
    server = DOCKER_HUB if host in DOCKER_HOSTS else host
    command = [f"docker-credential-{helper}", "get"]
    try:
        completed = subprocess.run(
            command, input=server, capture_output=True, text=True, check=False, timeout=HELPER_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        warn(f"the credential helper {command[0]} does not work: {error}")
        return None
    if completed.returncode:
        return None
    try:
        answer = json.loads(completed.stdout)
        username = "" if answer["Username"] == TOKEN_USER else answer["Username"]
        return Credentials(str(username), str(answer["Secret"]))
    except (ValueError, KeyError, TypeError):
        warn(f"{command[0]} answers with no credentials for {host}")
        return None


def _encoded(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _decode(path: Path, host: str, entry: Any, warn: Warn) -> Credentials | None:
    try:
        if token := entry.get("identitytoken"):
            return Credentials("", str(token))
        if not {"auth", "username"} & set(entry):
            return None  # Docker leaves an empty entry if a helper stores the secret
        if "auth" not in entry:
            return Credentials(str(entry["username"]), str(entry["password"]))
        username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (KeyError, ValueError, AttributeError, TypeError):
        warn(f"the credentials for {host} in {path} cannot be read: `ormb login {host}`")
        return None
    return Credentials(username, password)


def _docker_config() -> Path | None:
    """Return the path of Docker's file; None for a user without a home directory."""
    try:
        return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / CONFIG
    except RuntimeError:
        return None


def _read(path: Path, warn: Warn) -> dict[str, Any]:
    """Read a file of credentials; empty if it does not exist or cannot be read."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        warn(f"{path} cannot be read ({error}): it is passed over")
        return {}
    if not isinstance(config, dict) or not all(isinstance(config.get(key, {}), dict) for key in MAPPINGS):
        warn(f"{path} cannot be read: it must hold a JSON object, as `docker login` writes it; it is passed over")
        return {}
    return config


def _write(root: Path, config: dict[str, Any]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    new = root / f"{CONFIG}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(config, indent=2))
    new.replace(root / CONFIG)
