"""What provisioning does with the server's errors."""

import pytest
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError, ServerError

from kleverkit import provisioning
from kleverproto.streams import STREAMS


class RefusingServer(JetStreamContext):
    """Refuses to create a stream, a number of times."""

    def __init__(self, error: APIError, times: int) -> None:
        self.error = error
        self.times = times
        self.created: list[str] = []

    async def stream_info(self, name: str, subjects_filter: str | None = None) -> api.StreamInfo:
        raise NotFoundError(code=404, description=f"{name} not found {subjects_filter or ''}")

    async def add_stream(self, config: api.StreamConfig | None = None, **_params: object) -> api.StreamInfo:
        if self.times:
            self.times -= 1
            raise self.error
        assert config is not None
        self.created.append(str(config.name))
        return api.StreamInfo(config=config, state=api.StreamState(0, 0, 0, 0, 0))


async def test_provisioning_waits_for_the_directory_of_a_deleted_stream() -> None:
    server = RefusingServer(ServerError(code=500, err_code=provisioning.STORE_NOT_CREATED), times=2)
    await provisioning.provision(server, streams=STREAMS[:1], buckets=())
    assert server.created == [STREAMS[0].name]


async def test_provisioning_gives_up_on_other_errors() -> None:
    server = RefusingServer(ServerError(code=500, err_code=10047, description="insufficient storage"), times=1)
    with pytest.raises(ServerError, match="insufficient storage"):
        await provisioning.provision(server, streams=STREAMS[:1], buckets=())
