"""`python -m klever_registry`."""

from kleverkit.service import main

from .app import build
from .settings import RegistrySettings

if __name__ == "__main__":
    main("registry", RegistrySettings, build)
