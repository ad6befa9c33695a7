"""`python -m klever_deployer`."""

import sys

from pydantic import ValidationError

from kleverkit.logging import configure_logging
from kleverkit.service import main
from kleverkit.settings import explain

from .app import build
from .settings import DeployerSettings


def run() -> None:
    """Start the deployer; wrong settings end it with a sentence for each."""
    try:
        settings = DeployerSettings()
    except ValidationError as error:
        sys.exit(explain(error, DeployerSettings))
    configure_logging("deployer", level=settings.log_level, fmt=settings.log_format)
    main(lambda: build(settings))


if __name__ == "__main__":
    run()
