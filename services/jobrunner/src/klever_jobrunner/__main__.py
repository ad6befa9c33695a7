"""`python -m klever_jobrunner`."""

import sys

from pydantic import ValidationError

from kleverkit.logging import configure_logging
from kleverkit.service import main

from .app import build
from .settings import JobrunnerSettings


def run() -> None:
    """Start the jobrunner; wrong settings end it with a sentence for each."""
    try:
        settings = JobrunnerSettings()
    except ValidationError as error:
        sys.exit("\n".join(problem["msg"] for problem in error.errors()))
    configure_logging("jobrunner", level=settings.log_level, fmt=settings.log_format)
    main(lambda: build(settings))


if __name__ == "__main__":
    run()
