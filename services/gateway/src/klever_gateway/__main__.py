"""`python -m klever_gateway`."""

import sys

from pydantic import ValidationError

from kleverkit.logging import configure_logging
from kleverkit.service import main

from .app import build
from .settings import GatewaySettings


def _settings() -> GatewaySettings:
    try:
        return GatewaySettings()
    except ValidationError as error:
        sys.exit(f"the gateway's settings are not valid:\n{error}")


if __name__ == "__main__":
    settings = _settings()
    configure_logging("gateway", level=settings.log_level, fmt=settings.log_format)
    main(lambda: build(settings))
