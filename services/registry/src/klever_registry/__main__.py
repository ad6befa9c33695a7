"""`python -m klever_registry`."""

import os

from kleverkit.service import main

from .app import build
from .settings import RegistrySettings

if __name__ == "__main__":
    os.umask(0o077)  # models and accounts are for nobody else on this machine, also where files were made readable
    main("registry", RegistrySettings, build)
