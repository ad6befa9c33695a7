"""One trace goes from the publisher through NATS into the handler."""

import asyncio

from faststream.nats import NatsRouter
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from kleverkit.broker import make_broker, subscribe
from kleverkit.publisher import NatsEventPublisher
from kleverkit.settings import ServiceSettings
from kleverproto.envelope import Event, EventSource
from kleverproto.models import ModelPushed
from kleverproto.streams import JOBRUNNER_EXTRACT
from support.consuming import consuming
from support.golden_events import EXAMPLES


async def test_the_handler_runs_in_the_trace_of_the_publisher_and_is_counted(nats_url: str) -> None:
    traces: asyncio.Queue[int] = asyncio.Queue()
    provider, metrics = TracerProvider(), CollectorRegistry()
    broker = make_broker("test", ServiceSettings(nats_url=nats_url), tracer_provider=provider, metrics=metrics)
    router = NatsRouter()

    async def on_model_pushed(_event: Event[ModelPushed]) -> None:
        await traces.put(trace.get_current_span().get_span_context().trace_id)

    subscribe(router, JOBRUNNER_EXTRACT, on_model_pushed)
    broker.include_router(router)
    event = EventSource("test").event(EXAMPLES[ModelPushed].data, event_id="traced")
    async with consuming(broker):
        with provider.get_tracer("test").start_as_current_span("push") as span:
            await NatsEventPublisher(broker).publish(event)
        assert await asyncio.wait_for(traces.get(), 5) == span.get_span_context().trace_id
    assert b"faststream_received_messages_total" in generate_latest(metrics)
