"""The default gateway, and the token for it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import InputError, PlatformError
from .platform.home import Home

THIS_MACHINE = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True)
class Gateway:
    """A gateway with its token."""

    url: str
    token: str | None = field(default=None, repr=False)
    """None if no token is known: the gateway can be open."""


def find_gateway(server: str | None, token: str | None = None) -> Gateway:
    """Return the given gateway, else `$KLEVER_SERVER`, else that of the platform that runs with this home.

    The default port is not assumed: the platform of another home can listen there. The token is the given one, else
    `$KLEVER_TOKEN` or that of `$KLEVER_TOKEN_FILE`, which are only for `$KLEVER_SERVER` if that is set, else the token
    of this home, which is only sent to the address of this home's platform.

    Raises:
        InputError: the URL is invalid, or the token file cannot be read.
        PlatformError: no gateway is configured, and no platform runs with this home.
    """
    usual = os.environ.get("KLEVER_SERVER")
    named = _checked(server or usual) if server or usual else None
    if token is None and (not usual or named == _checked(usual)):
        token = _environment_token()
    if named is not None and token is not None:
        return Gateway(named, token)
    own_url = _home_url(named)
    if named is None and own_url is None:
        raise PlatformError(
            f"no platform runs with {Home.default().path}. Start one with `klever up`, choose another home with "
            "KLEVER_HOME, or set a gateway with --server or KLEVER_SERVER"
        )
    if own_url is None:
        return Gateway(named or "")
    return Gateway(own_url, token or _read_token(Home.default().token))


def read_token(path: Path) -> str:
    """Read the token in a file. Raises InputError."""
    token = _read_token(path)
    if token is None:
        raise InputError(f"cannot read the token in {path}: No such file")
    return token


def _environment_token() -> str | None:
    if token := os.environ.get("KLEVER_TOKEN"):
        return token
    path = os.environ.get("KLEVER_TOKEN_FILE")
    return read_token(Path(path).expanduser()) if path else None


def _read_token(path: Path) -> str | None:
    """Read the token in a file; None if the file does not exist. Raises InputError."""
    try:
        token = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise InputError(f"cannot read the token in {path}: {error}") from error
    if not token or not token.isprintable():
        raise InputError(f"{path} contains no token")
    return token


def _home_url(named: str | None) -> str | None:
    """Return the URL of this home's running gateway; None if none runs, or `named` is another one.

    `localhost` becomes the address on which the platform listens: another server can listen on `::1`.
    """
    from .platform.state import read_running  # noqa: PLC0415 - loads psutil

    state = read_running(Home.default().state)
    if state is None or (named is not None and _place(named) != _place(state.urls.api)):
        return None
    return state.urls.api


def _place(url: str) -> tuple[str, str | None, int | None, str]:
    parsed = urlsplit(url)
    host = "127.0.0.1" if parsed.hostname in THIS_MACHINE else parsed.hostname
    return parsed.scheme, host, parsed.port, parsed.path.rstrip("/")


def _checked(server: str | None) -> str:
    text = server or ""
    if not text.startswith(("http://", "https://")):
        rest = text.partition("://")[2] or text
        raise InputError(f"{text!r} is not the URL of a gateway: write http://{rest}, or https://{rest}")
    try:
        parsed = urlsplit(text)
        is_whole = parsed.hostname and parsed.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise InputError(f"{text!r} is not the URL of a gateway: write http://host:port")
    return text.rstrip("/")
