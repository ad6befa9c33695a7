"""Publishing without a connection, and in a task that is cancelled."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from kleverkit.broker import make_broker
from kleverkit.errors import TransientError
from kleverkit.publisher import NatsEventPublisher
from kleverkit.settings import ServiceSettings
from support.lost_cancellations import lose_cancellation
from support.pushes import pushed
from support.waiting import others

if TYPE_CHECKING:
    from faststream.nats import NatsBroker


async def test_an_event_before_the_first_connection_may_be_published_later() -> None:
    broker = make_broker("test", ServiceSettings(), tracer_provider=TracerProvider(), metrics=CollectorRegistry())
    with pytest.raises(TransientError, match="not connected to NATS yet"):
        await NatsEventPublisher(broker).publish(pushed())


class LossyBroker:
    """A broker whose acknowledgement comes together with the cancellation, which is lost."""

    async def publish(self, *_args: Any, **_options: Any) -> SimpleNamespace:
        await lose_cancellation()
        return SimpleNamespace(seq=1)


async def test_a_task_that_is_cancelled_while_it_publishes_ends() -> None:
    async def publish_then_wait() -> None:
        await NatsEventPublisher(cast("NatsBroker", LossyBroker())).publish(pushed())
        await asyncio.Event().wait()

    task = asyncio.create_task(publish_then_wait())
    await others()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=1)
    assert done
    assert task.cancelled()
