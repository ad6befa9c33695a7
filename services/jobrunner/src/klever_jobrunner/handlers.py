"""Handlers of incoming messages: pushes, requests, cancellations, deletions, and parsed models."""

from faststream.nats import NatsRouter
from faststream.nats.annotations import NatsMessage

from kleverkit.broker import subscribe
from kleverkit.outcomes import Delivery
from kleverproto import streams
from kleverproto.envelope import Event
from kleverproto.jobs import JobCancelRequested, JobDeleteRequested, JobRequested
from kleverproto.models import ModelPushed, ModelUpdated

from .domain.requests import intent_of, request_of
from .service.jobs import Jobs
from .service.policies import Policies


def build_router(jobs: Jobs, policies: Policies) -> NatsRouter:
    """The handlers of this service."""
    router = NatsRouter()

    async def on_model_pushed(event: Event[ModelPushed], message: NatsMessage) -> None:
        await jobs.run(request_of(event, Delivery.of(message).sequence))

    async def on_job_requested(event: Event[JobRequested], message: NatsMessage) -> None:
        await jobs.run(request_of(event, Delivery.of(message).sequence))

    async def on_job_cancel_requested(event: Event[JobCancelRequested], message: NatsMessage) -> None:
        await jobs.cancel(intent_of(event, Delivery.of(message).sequence), event.data.id, event.data.spec)

    async def on_job_delete_requested(event: Event[JobDeleteRequested], message: NatsMessage) -> None:
        await jobs.delete(intent_of(event, Delivery.of(message).sequence), event.data.id, event.data.spec)

    async def on_model_updated(event: Event[ModelUpdated]) -> None:
        await policies.updated(event)

    subscribe(router, streams.JOBRUNNER_EXTRACT, on_model_pushed)
    for consumer in streams.JOBRUNNER_REQUESTED:
        subscribe(router, consumer, on_job_requested)
    subscribe(router, streams.JOBRUNNER_CANCEL, on_job_cancel_requested)
    subscribe(router, streams.JOBRUNNER_DELETE, on_job_delete_requested)
    subscribe(router, streams.JOBRUNNER_POLICIES, on_model_updated)
    return router
