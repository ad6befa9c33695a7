"""Which platform is meant where nobody names one."""

import os

from .errors import InputError, PlatformError
from .platform.home import Home


def find_server(given: str | None) -> str:
    """URL of a gateway: the given one, else `$KLEVER_SERVER`, else that of the platform that runs with this home.

    Whoever listens on the usual port may be the platform of another home.

    Raises:
        InputError: it is no URL.
        PlatformError: none is named, and no platform runs with this home.
    """
    if named := given or os.environ.get("KLEVER_SERVER"):
        return _checked(named)
    from .platform.state import read_running  # noqa: PLC0415 - loads psutil

    home = Home.default()
    state = read_running(home.state)
    if state is None:
        raise PlatformError(
            f"no platform runs with {home.path}: start it with `klever up`, choose another home with KLEVER_HOME, or "
            "name a gateway with --server or KLEVER_SERVER"
        )
    return state.urls.api


def _checked(server: str) -> str:
    if not server.startswith(("http://", "https://")):
        rest = server.partition("://")[2] or server
        raise InputError(f"{server!r} is not the URL of a gateway: write http://{rest}, or https://{rest}")
    return server.rstrip("/")
