"""`python -m klever_deployer`."""

from kleverkit.service import main

from .app import build
from .settings import DeployerSettings

if __name__ == "__main__":
    main("deployer", DeployerSettings, build)
