"""The NATS broker of a service: FastStream with Klever's envelope, outcome policy, tracing and metrics."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from faststream.nats.prometheus import NatsPrometheusMiddleware
from nats.js import api
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from kleverproto.deadletters import DeadLettered
from kleverproto.envelope import Event, EventSource, derive_id, parse
from kleverproto.streams import CONSUMERS, ConsumerSpec

from .outcomes import Outcomes, RetryPolicy
from .publisher import NatsEventPublisher
from .settings import ServiceSettings

log = structlog.get_logger(__name__)

RECONNECT_WAIT_SECONDS = 0.25
"""A restarted NATS is found again within this time."""
DRAIN_SECONDS = 2
"""Longest wait for the connection on the way out; a KV watch that died with an earlier one never drains."""
FETCH_SECONDS = 2.0
"""Longest wait of one pull; also how long a subscriber takes to notice that its server went away."""


async def decode_event(message: StreamMessage[Any]) -> Event[Any]:
    """FastStream decoder: a CloudEvent in either form. Raises InvalidEventError."""
    return parse(message.headers, message.body)


def make_broker(
    service: str,
    settings: ServiceSettings,
    *,
    tracer_provider: TracerProvider,
    metrics: CollectorRegistry,
) -> NatsBroker:
    """An unconnected broker; it reconnects for as long as the process lives."""
    broker = NatsBroker(
        settings.nats_servers,
        name=f"klever-{service}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type] # typed int, any seconds work
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        graceful_timeout=10.0,
        drain_timeout=DRAIN_SECONDS,
        ack_policy=AckPolicy.MANUAL,
        decoder=decode_event,
        logger=None,
        error_cb=_log_connection_error,
        description="Klever's event bus",
    )
    broker.add_middleware(NatsTelemetryMiddleware(tracer_provider=tracer_provider))
    broker.add_middleware(NatsPrometheusMiddleware(registry=metrics, app_name=service))
    broker.add_middleware(_outcomes(service, settings, broker))
    return broker


def subscriber_options(consumer: ConsumerSpec) -> dict[str, Any]:
    """Arguments of `router.subscriber(...)` for a consumer of the contract."""
    return {
        "subject": consumer.subject,
        "stream": JStream(consumer.stream, declare=False),
        "durable": consumer.durable,
        "pull_sub": PullSub(batch_size=1, timeout=FETCH_SECONDS),
        "max_workers": consumer.concurrency,
        "config": api.ConsumerConfig(
            ack_wait=consumer.ack_wait.total_seconds(),
            max_deliver=-1,  # `Outcomes` counts, so that the last try can be dead-lettered
            max_ack_pending=consumer.concurrency * 4,
        ),
    }


def subscribe(router: NatsRouter, consumer: ConsumerSpec, handler: Callable[..., Awaitable[None]]) -> None:
    """Let the handler take the messages of a consumer of the contract."""
    router.subscriber(**subscriber_options(consumer))(handler)


def include_routers(broker: NatsBroker, routers: Iterable[NatsRouter]) -> None:
    """Let the broker serve the handlers."""
    for router in routers:
        broker.include_router(router)


def _outcomes(service: str, settings: ServiceSettings, broker: NatsBroker) -> Outcomes:
    publisher = NatsEventPublisher(broker)
    source = EventSource(service)

    async def dead_letter(letter: DeadLettered) -> None:
        event_id = derive_id("dead", letter.stream, str(letter.sequence), letter.consumer)
        await publisher.publish(source.event(letter, event_id=event_id))

    return Outcomes(
        retry=RetryPolicy(settings.retry_delay_seconds, settings.retry_delay_cap_seconds),
        max_deliveries={consumer.durable: consumer.max_deliveries for consumer in CONSUMERS},
        dead_letter=dead_letter,
    )


async def _log_connection_error(error: Exception) -> None:
    log.warning("nats connection", error=str(error) or type(error).__name__)
