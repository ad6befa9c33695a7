"""Publishing without a connection."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from kleverkit.broker import make_broker
from kleverkit.errors import TransientError
from kleverkit.publisher import NatsEventPublisher
from kleverkit.settings import ServiceSettings
from support.pushes import pushed


async def test_an_event_before_the_first_connection_may_be_published_later() -> None:
    broker = make_broker("test", ServiceSettings(), tracer_provider=TracerProvider(), metrics=CollectorRegistry())
    with pytest.raises(TransientError, match="not connected to NATS yet"):
        await NatsEventPublisher(broker).publish(pushed())
