"""Which platform is meant where nobody names one, and the token that its gateway requires."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import InputError, PlatformError
from .platform.home import Home

THIS_MACHINE = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True)
class Gateway:
    """A gateway, and what lets us in."""

    url: str
    token: str | None = field(default=None, repr=False)
    """None where none is known: the gateway may be open."""


def find_gateway(server: str | None, token: str | None = None) -> Gateway:
    """The given gateway, else `$KLEVER_SERVER`, else that of the platform that runs with this home.

    Whoever listens on the usual port may be the platform of another home. The token is the given one, else
    `$KLEVER_TOKEN` or that of `$KLEVER_TOKEN_FILE`, which are for `$KLEVER_SERVER` only where that is set, else that
    of this home, which goes to the address where this home's platform runs and to no other.

    Raises:
        InputError: it is no URL, or the file of the token cannot be read.
        PlatformError: none is named, and no platform runs with this home.
    """
    usual = os.environ.get("KLEVER_SERVER")
    named = _checked(server or usual) if server or usual else None
    if token is None and (not usual or named == _checked(usual)):
        token = _of_environment()
    if named is not None and token is not None:
        return Gateway(named, token)
    ours = _of_home(named)
    if named is None and ours is None:
        raise PlatformError(
            f"no platform runs with {Home.default().path}: start it with `klever up`, choose another home with "
            "KLEVER_HOME, or name a gateway with --server or KLEVER_SERVER"
        )
    if ours is None:
        return Gateway(named or "")
    return Gateway(ours, token or _of_file(Home.default().token))


def read_token(path: Path) -> str:
    """The token in a file. Raises InputError."""
    found = _of_file(path)
    if found is None:
        raise InputError(f"the token in {path} cannot be read: No such file")
    return found


def _of_environment() -> str | None:
    if token := os.environ.get("KLEVER_TOKEN"):
        return token
    path = os.environ.get("KLEVER_TOKEN_FILE")
    return read_token(Path(path).expanduser()) if path else None


def _of_file(path: Path) -> str | None:
    """None where there is no such file. Raises InputError."""
    try:
        token = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise InputError(f"the token in {path} cannot be read: {error}") from error
    if not token or not token.isprintable():
        raise InputError(f"{path} holds no token")
    return token


def _of_home(named: str | None) -> str | None:
    """URL of the gateway that runs with this home, if it does and is the named one.

    `localhost` becomes the address that the platform listens on: others may listen on `::1`, which it also means.
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
