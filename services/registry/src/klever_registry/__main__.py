"""`python -m klever_registry`."""

import os

from kleverkit.service import main

from .app import build
from .settings import RegistrySettings

if __name__ == "__main__":
    os.umask(0o077)  # no other user of this machine may read models and accounts
    main("registry", RegistrySettings, build)
