"""One trace goes from the publisher through NATS into the handler; events are counted by consumer and type."""

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
from support.waiting import eventually


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
    consumer = {"consumer": JOBRUNNER_EXTRACT.durable, "outcome": "acknowledged"}

    async def counted() -> bool:
        return metrics.get_sample_value("klever_event_outcomes_total", consumer) == 1

    await eventually(counted)
    published = {"type": event.type, "error_type": ""}
    assert metrics.get_sample_value("klever_events_published_total", published) == 1


async def test_names_of_models_are_no_labels(nats_url: str) -> None:
    metrics, handled = CollectorRegistry(), asyncio.Queue[str]()
    settings = ServiceSettings(nats_url=nats_url)
    broker = make_broker("test", settings, tracer_provider=TracerProvider(), metrics=metrics)
    router = NatsRouter()

    async def on_model_pushed(event: Event[ModelPushed]) -> None:
        await handled.put(event.data.ref.model)

    subscribe(router, JOBRUNNER_EXTRACT, on_model_pushed)
    broker.include_router(router)
    example = EXAMPLES[ModelPushed].data
    assert isinstance(example, ModelPushed)
    async with consuming(broker):
        for name in ("first-of-many", "second-of-many"):
            data = example.model_copy(update={"ref": example.ref.model_copy(update={"model": name})})
            await NatsEventPublisher(broker).publish(EventSource("test").event(data, event_id=name))
            assert await asyncio.wait_for(handled.get(), 5) == name
    exported = generate_latest(metrics).decode()
    assert "messaging_process_duration_seconds_count" in exported
    assert "of-many" not in exported
