"""Messages in: what became of jobs."""

from faststream.nats import NatsRouter

from kleverkit.broker import subscribe
from kleverproto import streams
from kleverproto.envelope import Event
from kleverproto.jobs import JobCompleted, JobFailed

from .service.extraction import Extractions


def build_router(extractions: Extractions) -> NatsRouter:
    """The handlers of this service."""
    router = NatsRouter()

    async def on_job_completed(event: Event[JobCompleted]) -> None:
        await extractions.completed(event)

    async def on_job_failed(event: Event[JobFailed]) -> None:
        await extractions.failed(event)

    subscribe(router, streams.REGISTRY_COMPLETED, on_job_completed)
    subscribe(router, streams.REGISTRY_FAILED, on_job_failed)
    return router
