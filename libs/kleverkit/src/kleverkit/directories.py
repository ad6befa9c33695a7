"""The user's directories for Klever's state, the same for all commands and services."""

import os
from pathlib import Path

import platformdirs

from kleverproto.codes import NO_HOME_DIRECTORY

from .errors import PermanentError

APPLICATION = "klever"


def home_directory() -> Path:
    """`$KLEVER_HOME`, else the user data directory of the system (on Linux `$XDG_DATA_HOME` or `~/.local/share`).

    Raises PermanentError if this user has no home directory.
    """
    chosen = os.environ.get("KLEVER_HOME") or platformdirs.user_data_dir(APPLICATION)
    return _absolute_path(chosen, variable="KLEVER_HOME")


def toolchains_directory() -> Path:
    """`$KLEVER_TOOLCHAINS`, else `toolchains` in the user cache directory of the system.

    All platforms of a user share the toolchains, so they are not in the home directory of one of them.

    Raises PermanentError if this user has no home directory.
    """
    chosen = os.environ.get("KLEVER_TOOLCHAINS") or f"{platformdirs.user_cache_dir(APPLICATION)}/toolchains"
    return _absolute_path(chosen, variable="KLEVER_TOOLCHAINS")


def _absolute_path(path: str, *, variable: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except RuntimeError as error:
        raise PermanentError(
            f"{path} has no home directory for its ~: set {variable} to an absolute path", code=NO_HOME_DIRECTORY
        ) from error
