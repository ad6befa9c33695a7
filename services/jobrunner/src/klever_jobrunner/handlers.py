"""Messages in: pushes, requests, cancellations, deletions, and models that were parsed."""

from faststream.nats import NatsRouter

from kleverkit.broker import subscribe
from kleverproto import streams
from kleverproto.envelope import Event
from kleverproto.jobs import JobCancelRequested, JobDeleteRequested, JobRequested
from kleverproto.models import ModelPushed, ModelUpdated

from .domain import Cause, request_of
from .policies import Policies
from .service import Jobs


def build_router(jobs: Jobs, policies: Policies) -> NatsRouter:
    """The handlers of this service."""
    router = NatsRouter()

    async def on_model_pushed(event: Event[ModelPushed]) -> None:
        await jobs.run(request_of(event))

    async def on_job_requested(event: Event[JobRequested]) -> None:
        await jobs.run(request_of(event))

    async def on_job_cancel_requested(event: Event[JobCancelRequested]) -> None:
        await jobs.cancel(Cause.of(event), event.data.id)

    async def on_job_delete_requested(event: Event[JobDeleteRequested]) -> None:
        await jobs.delete(Cause.of(event), event.data.id)

    async def on_model_updated(event: Event[ModelUpdated]) -> None:
        await policies.updated(event)

    subscribe(router, streams.JOBRUNNER_EXTRACT, on_model_pushed)
    subscribe(router, streams.JOBRUNNER_JOBS, on_job_requested)
    subscribe(router, streams.JOBRUNNER_CANCEL, on_job_cancel_requested)
    subscribe(router, streams.JOBRUNNER_DELETE, on_job_delete_requested)
    subscribe(router, streams.JOBRUNNER_POLICIES, on_model_updated)
    return router
