"""`python -m klever_jobrunner`."""

from kleverkit.service import main

from .app import build
from .settings import JobrunnerSettings

if __name__ == "__main__":
    main("jobrunner", JobrunnerSettings, build)
