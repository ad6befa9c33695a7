"""`python -m klever_registry`."""

import sys

from pydantic import ValidationError

from kleverkit.logging import configure_logging
from kleverkit.service import main

from .app import build
from .settings import RegistrySettings


def run() -> None:
    """Start the registry; wrong settings end it with a sentence for each."""
    try:
        settings = RegistrySettings()
    except ValidationError as error:
        sys.exit("\n".join(problem["msg"] for problem in error.errors()))
    configure_logging("registry", level=settings.log_level, fmt=settings.log_format)
    main(lambda: build(settings))


if __name__ == "__main__":
    run()
