"""A broker that runs in the process of the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from faststream.nats import NatsBroker, NatsRouter
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from kleverkit.broker import make_broker, subscribe
from kleverkit.connection import close_broker
from kleverkit.consumption import Consumption
from kleverkit.nats_calls import ClientSource
from kleverkit.settings import ServiceSettings
from kleverkit.tasks import cancel
from kleverkit.topology import Topology
from kleverproto.streams import ConsumerSpec

RETRY_DELAY_SECONDS = 0.05


def broker_for(
    url: str,
    consumer: ConsumerSpec,
    handler: Callable[..., Awaitable[None]],
    *,
    retry_delay_seconds: float = RETRY_DELAY_SECONDS,
) -> NatsBroker:
    """Return a broker whose only handler receives the consumer's messages."""
    settings = ServiceSettings(
        nats_url=url, retry_delay_seconds=retry_delay_seconds, retry_delay_cap_seconds=max(30, retry_delay_seconds)
    )
    broker = make_broker("test", settings, tracer_provider=TracerProvider(), metrics=CollectorRegistry())
    router = NatsRouter()
    subscribe(router, consumer, handler)
    broker.include_router(router)
    return broker


@asynccontextmanager
async def consuming(broker: NatsBroker) -> AsyncIterator[Consumption]:
    """Provision what the broker needs and consume messages, as a service does."""
    client = ClientSource()
    client.set(await broker.connect())
    topology = Topology(client)
    consumption = Consumption(broker, topology)
    keeping = asyncio.create_task(topology.run())
    await topology.complete()
    await consumption.start()
    try:
        yield consumption
    finally:
        await consumption.stop()
        await cancel([keeping])
        await close_broker(broker)
