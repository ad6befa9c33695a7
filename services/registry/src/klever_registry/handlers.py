"""Messages in: what became of jobs, what people want of projects."""

from faststream.nats import NatsRouter

from kleverkit.broker import subscribe
from kleverproto import streams
from kleverproto.envelope import Event
from kleverproto.jobs import JobCompleted, JobFailed
from kleverproto.projects import ProjectPolicyRequested

from .service.extraction import Extractions
from .service.policies import Policies


def build_router(extractions: Extractions, policies: Policies) -> NatsRouter:
    """The handlers of this service."""
    router = NatsRouter()

    async def on_job_completed(event: Event[JobCompleted]) -> None:
        await extractions.completed(event)

    async def on_job_failed(event: Event[JobFailed]) -> None:
        await extractions.failed(event)

    async def on_policy_requested(event: Event[ProjectPolicyRequested]) -> None:
        await policies.requested(event)

    subscribe(router, streams.REGISTRY_COMPLETED, on_job_completed)
    subscribe(router, streams.REGISTRY_FAILED, on_job_failed)
    subscribe(router, streams.REGISTRY_POLICIES, on_policy_requested)
    return router
