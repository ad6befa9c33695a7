"""Credentials in Docker's config.json format: ours under the ormb root first, then Docker's own."""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ormb.errors import AuthenticationError

CONFIG = "config.json"


@dataclass(frozen=True)
class Credentials:
    """A user's name and password or token."""

    username: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {_encoded(self)}"


def find_credentials(root: Path, host: str) -> Credentials | None:
    """Credentials for a host; `ORMB_USERNAME` and `ORMB_PASSWORD` win over files.

    Raises:
        AuthenticationError: an entry cannot be read.
    """
    if (username := os.environ.get("ORMB_USERNAME")) and (password := os.environ.get("ORMB_PASSWORD")):
        return Credentials(username, password)
    from oras.auth import utils as oras_auth  # noqa: PLC0415 - 0.2 s that only this needs

    own = root / CONFIG
    auths = oras_auth.load_configs([str(own)] if own.exists() else [])["auths"]
    entry = auths.get(host) or auths.get(f"https://{host}") or auths.get(f"http://{host}")
    return _decode(host, entry) if entry else None


def store_credentials(root: Path, host: str, credentials: Credentials) -> None:
    """Keep credentials for a host, readable by the user only."""
    config = _read(root)
    config.setdefault("auths", {})[host] = {"auth": _encoded(credentials)}
    _write(root, config)


def forget_credentials(root: Path, host: str) -> bool:
    """Remove a host's credentials; whether there were any."""
    config = _read(root)
    found = config.get("auths", {}).pop(host, None) is not None
    if found:
        _write(root, config)
    return found


def _encoded(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _decode(host: str, entry: dict[str, str]) -> Credentials:
    try:
        username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (KeyError, ValueError) as error:
        raise AuthenticationError(f"the stored credentials for {host} cannot be read: `ormb login {host}`") from error
    return Credentials(username, password)


def _read(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    path = root / CONFIG
    config: dict[str, dict[str, dict[str, str]]] = json.loads(path.read_text()) if path.exists() else {}
    return config


def _write(root: Path, config: dict[str, dict[str, dict[str, str]]]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    new = root / f"{CONFIG}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(config, indent=2))
    new.replace(root / CONFIG)
