"""`python -m klever_gateway`."""

from kleverkit.service import main

from .app import build
from .settings import GatewaySettings

if __name__ == "__main__":
    main("gateway", GatewaySettings, build)
