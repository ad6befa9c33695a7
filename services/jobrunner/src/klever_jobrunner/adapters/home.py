"""What a jobrunner keeps from one process to the next."""

from pathlib import Path
from uuid import uuid4

import structlog

from kleverkit.durable import make_directory, replace_file

log = structlog.get_logger(__name__)

FILE = "runner"


def runner_name(home: Path) -> str:
    """The name of the jobrunner with this home: what it was working on when it was killed is its own to resume.

    Where it cannot be kept, the next process has to wait until the claims of this one lapse.
    """
    path = home / FILE
    try:
        if name := path.read_text(encoding="ascii").strip():
            return name
    except (OSError, ValueError):
        log.info("a jobrunner with a new home", home=str(home))
    name = uuid4().hex
    try:
        make_directory(home)
        replace_file(path, name.encode())
    except OSError as error:
        log.warning("the name of this jobrunner cannot be kept", path=str(path), error=str(error))
    return name
