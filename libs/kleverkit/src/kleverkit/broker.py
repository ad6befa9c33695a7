"""The NATS broker of a service: FastStream with Klever's envelope, outcome policy, tracing and metrics."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from kleverproto.deadletters import DeadLettered
from kleverproto.envelope import Event, EventSource, derive_id, parse
from kleverproto.streams import CONSUMERS, ConsumerSpec

from .connection import Broker, Connection
from .event_metrics import EventMetrics
from .nats_calls import ClientSource
from .outcomes import Outcomes, RetryPolicy
from .publisher import NatsEventPublisher
from .pulling import Pull
from .settings import ServiceSettings

RECONNECT_WAIT_SECONDS = 0.25
"""Interval between attempts to reconnect to NATS."""
DRAIN_SECONDS = 2
"""Longest wait for the connection to drain; a KV watch of an earlier connection never drains."""
GRACE_SECONDS = 10.0
"""Longest wait for messages in progress when the service stops."""


async def decode_event(message: StreamMessage[Any]) -> Event[Any]:
    """FastStream decoder: a CloudEvent in either form. Raises InvalidEventError."""
    return parse(message.headers, message.body)


def make_broker(
    service: str,
    settings: ServiceSettings,
    *,
    tracer_provider: TracerProvider,
    metrics: CollectorRegistry,
    connection: Connection | None = None,
) -> NatsBroker:
    """An unconnected broker; it reconnects until the server ends an established connection with an error."""
    connection = connection or Connection(ClientSource(), settings.nats_credentials, metrics)
    broker = Broker(
        settings.nats_servers,
        credentials=settings.nats_credentials,
        name=f"klever-{service}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_SECONDS,  # typed int, but fractions work
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        graceful_timeout=GRACE_SECONDS,
        drain_timeout=DRAIN_SECONDS,
        decoder=decode_event,
        logger=None,
        error_cb=connection.on_error,
        closed_cb=connection.on_closed,
        description="Klever's event bus",
    )
    broker.add_middleware(NatsTelemetryMiddleware(tracer_provider=tracer_provider))
    event_metrics = EventMetrics(metrics)
    for consumer in CONSUMERS:
        if consumer.service == service:
            event_metrics.prepare(consumer.durable)
    broker.add_middleware(event_metrics)
    broker.add_middleware(_outcomes(service, settings, broker, event_metrics))
    return broker


def subscribe(router: NatsRouter, consumer: ConsumerSpec, handler: Callable[..., Awaitable[None]]) -> None:
    """Subscribe a handler to a consumer of the contract."""
    subscriber = router.subscriber(
        consumer.subject,
        stream=JStream(consumer.stream, declare=False),
        durable=consumer.durable,
        pull_sub=PullSub(),
        ack_policy=AckPolicy.MANUAL,  # not inherited from the broker by a router's subscriber
    )
    subscriber(handler)
    subscriber.subscription = Pull(subscriber, consumer)  # type: ignore[assignment] # needs `unsubscribe` only


def pulls(broker: NatsBroker) -> list[Pull]:
    """The pulls of all subscribed consumers."""
    subscriptions = [getattr(subscriber, "subscription", None) for subscriber in broker.subscribers]
    return [subscription for subscription in subscriptions if isinstance(subscription, Pull)]


def include_routers(broker: NatsBroker, routers: Iterable[NatsRouter]) -> None:
    """Add the handlers to the broker."""
    for router in routers:
        broker.include_router(router)


def _outcomes(service: str, settings: ServiceSettings, broker: NatsBroker, metrics: EventMetrics) -> Outcomes:
    publisher = NatsEventPublisher(broker)
    source = EventSource(service)

    async def dead_letter(letter: DeadLettered) -> None:
        event_id = derive_id("dead", letter.stream, str(letter.sequence), letter.consumer)
        await publisher.publish(source.event(letter, event_id=event_id))

    def max_deliveries(durable: str) -> int:
        return next(pull.consumer.max_deliveries for pull in pulls(broker) if pull.consumer.durable == durable)

    return Outcomes(
        retry=RetryPolicy(settings.retry_delay_seconds, settings.retry_delay_cap_seconds),
        max_deliveries=max_deliveries,
        dead_letter=dead_letter,
        metrics=metrics,
    )
