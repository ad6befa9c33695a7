"""Where handlers find what the application is built with."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from .service.deletions import Deletions
from .service.jobs import Jobs
from .service.policies import Policies
from .service.reading import Reading
from .service.servings import Servings
from .service.sessions import Sessions
from .service.watching import Watching


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What `/platform` tells."""

    version: str
    gateway: str
    registry: str
    ingress: str


@dataclass(frozen=True, kw_only=True)
class StreamPace:
    """How event streams are kept."""

    keep_alive_seconds: float
    slow_client_seconds: float


POLICIES: Final = web.AppKey("POLICIES", Policies)
DELETIONS: Final = web.AppKey("DELETIONS", Deletions)
READING: Final = web.AppKey("READING", Reading)
SERVINGS: Final = web.AppKey("SERVINGS", Servings)
SESSIONS: Final = web.AppKey("SESSIONS", Sessions)
JOBS: Final = web.AppKey("JOBS", Jobs)
WATCHING: Final = web.AppKey("WATCHING", Watching)
PLATFORM: Final = web.AppKey("PLATFORM", Platform)
STREAM_PACE: Final = web.AppKey("STREAM_PACE", StreamPace)
OPENAPI: Final = web.AppKey("OPENAPI", str)
