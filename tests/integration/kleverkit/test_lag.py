"""The lag of consumers and the sizes of streams, read from a real server."""

from datetime import timedelta

import nats
from prometheus_client import CollectorRegistry

from kleverkit.lag import LagMonitor
from kleverkit.nats_calls import ClientSource
from kleverkit.topology import Topology
from kleverproto.envelope import EventSource, encode, utc_now
from kleverproto.models import ModelPushed
from kleverproto.streams import JOBRUNNER_EXTRACT, MODELS
from support.golden_events import EXAMPLES

CONSUMER = {"consumer": JOBRUNNER_EXTRACT.durable}


async def test_pending_and_unacknowledged_events_and_the_age_of_the_oldest_are_exported(nats_url: str) -> None:
    source, metrics = ClientSource(), CollectorRegistry()
    client = await nats.connect(nats_url)
    source.set(client)
    topology = Topology(source)
    topology.need([JOBRUNNER_EXTRACT])
    await topology.reconcile()
    later = utc_now() + timedelta(minutes=5)
    monitor = LagMonitor(
        source, [JOBRUNNER_EXTRACT], metrics, reads_events=True, streams=[MODELS.name], clock=lambda: later
    )
    await monitor.update()
    assert metrics.get_sample_value("klever_consumer_pending_messages", CONSUMER) == 0
    assert metrics.get_sample_value("klever_consumer_oldest_message_age_seconds", CONSUMER) == 0
    js = client.jetstream()
    for name in ("one", "two"):
        event = EventSource("test").event(EXAMPLES[ModelPushed].data, event_id=name)
        headers, body = encode(event)
        await js.publish(event.nats_subject, body, headers=headers)
    subscription = await js.pull_subscribe_bind(stream=MODELS.name, durable=JOBRUNNER_EXTRACT.durable)
    (first,) = await subscription.fetch(1)
    await monitor.update()
    assert metrics.get_sample_value("klever_consumer_pending_messages", CONSUMER) == 1
    assert metrics.get_sample_value("klever_consumer_unacknowledged_messages", CONSUMER) == 1
    age = metrics.get_sample_value("klever_consumer_oldest_message_age_seconds", CONSUMER)
    assert age is not None
    assert 240 < age <= 300
    assert metrics.get_sample_value("klever_stream_messages", {"stream": MODELS.name}) == 2
    assert (metrics.get_sample_value("klever_stream_bytes", {"stream": MODELS.name}) or 0) > 500
    await first.ack_sync()
    await js.delete_consumer(MODELS.name, JOBRUNNER_EXTRACT.durable)
    await monitor.update()
    assert metrics.get_sample_value("klever_consumer_pending_messages", CONSUMER) is None
    await client.close()
