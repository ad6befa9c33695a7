"""ModelPushed events for tests of the bus."""

from nats.js import JetStreamContext

from kleverproto.envelope import Event, EventSource, encode
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef

SOURCE = EventSource("test")


def pushed(version: str = "v1") -> Event[ModelPushed]:
    """A push of this version of library/iris. The id of the event derives from the version."""
    data = ModelPushed(
        ref=ModelRef.parse(f"library/iris:{version}"), digest=f"sha256:{'0' * 64}", registry="localhost:5000"
    )
    return SOURCE.event(data, event_id=f"push-{version}")


async def push(js: JetStreamContext, *versions: str) -> None:
    """Publish pushes without the kit."""
    for version in versions:
        event = pushed(version)
        headers, body = encode(event)
        await js.publish(event.nats_subject, body, headers=dict(headers))
