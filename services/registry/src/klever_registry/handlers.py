"""Handlers of messages: outcomes of jobs, and requests for projects and models."""

from typing import Any

from faststream.nats import NatsRouter
from faststream.nats.annotations import NatsMessage

from kleverkit.broker import subscribe
from kleverkit.outcomes import Delivery
from kleverproto import streams
from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.jobs import JobCompleted, JobFailed
from kleverproto.models import ModelDeleteRequested
from kleverproto.projects import ProjectPolicyRequested

from .service.deletions import Deletions
from .service.extraction import Extractions
from .service.policies import Policies


def build_router(extractions: Extractions, policies: Policies, deletions: Deletions) -> NatsRouter:
    """Build the router with the handlers of this service."""
    router = NatsRouter()

    async def on_job_completed(event: Event[JobCompleted], message: NatsMessage) -> None:
        await extractions.record_result(event, _intent(event, message))

    async def on_job_failed(event: Event[JobFailed], message: NatsMessage) -> None:
        await extractions.record_failure(event, _intent(event, message))

    async def on_policy_requested(event: Event[ProjectPolicyRequested], message: NatsMessage) -> None:
        await policies.handle_request(event, _intent(event, message))

    subscribe(router, streams.REGISTRY_COMPLETED, on_job_completed)
    subscribe(router, streams.REGISTRY_FAILED, on_job_failed)

    async def on_model_delete_requested(event: Event[ModelDeleteRequested]) -> None:
        await deletions.handle_request(event.data)

    subscribe(router, streams.REGISTRY_POLICIES, on_policy_requested)
    subscribe(router, streams.REGISTRY_DELETE, on_model_delete_requested)
    return router


def _intent(event: Event[Any], message: NatsMessage) -> Intent:
    """Return the event's ids and sequence. The sequence orders events, which may be handled in another order."""
    sequence = Delivery.of(message).sequence
    return Intent(sequence=sequence, event_id=event.id, correlation_id=event.correlation_id or event.id)
