"""Keys of the use cases in the application, for the routes."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from klever_gateway.service.deletions import Deletions
from klever_gateway.service.jobs import Jobs
from klever_gateway.service.live_events import LiveEvents
from klever_gateway.service.policies import Policies
from klever_gateway.service.reader import Reader
from klever_gateway.service.serving_changes import ServingChanges
from klever_gateway.service.servings import Servings
from klever_gateway.service.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The content of `/platform`."""

    version: str
    gateway: str
    registry: str
    ingress: str


@dataclass(frozen=True, kw_only=True)
class StreamPace:
    """Pauses and limits of event streams."""

    keep_alive_seconds: float
    slow_client_seconds: float


POLICIES: Final = web.AppKey("POLICIES", Policies)
DELETIONS: Final = web.AppKey("DELETIONS", Deletions)
READER: Final = web.AppKey("READER", Reader)
SERVINGS: Final = web.AppKey("SERVINGS", Servings)
SERVING_CHANGES: Final = web.AppKey("SERVING_CHANGES", ServingChanges)
SESSIONS: Final = web.AppKey("SESSIONS", Sessions)
JOBS: Final = web.AppKey("JOBS", Jobs)
LIVE_EVENTS: Final = web.AppKey("LIVE_EVENTS", LiveEvents)
PLATFORM: Final = web.AppKey("PLATFORM", Platform)
STREAM_PACE: Final = web.AppKey("STREAM_PACE", StreamPace)
OPENAPI: Final = web.AppKey("OPENAPI", str)
