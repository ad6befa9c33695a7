"""Provisioning with errors of the server."""

import pytest
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError, ServerError

from kleverkit import provisioning
from kleverproto.streams import BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS


class RefusingServer(JetStreamContext):
    """Refuses to create a stream several times."""

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


class Cluster(JetStreamContext):
    """Has streams with a number of replicas each, and whatever else an operator has set."""

    def __init__(self, replicas: int | None) -> None:
        self.configs: dict[str, api.StreamConfig] = {}
        self.before = replicas
        self.updated: list[str] = []

    async def stream_info(self, name: str, subjects_filter: str | None = None) -> api.StreamInfo:
        if name not in self.configs and self.before is None:
            raise NotFoundError(code=404, description=f"{name} not found {subjects_filter or ''}")
        known = self.configs.setdefault(
            name, api.StreamConfig(name=name, num_replicas=self.before, description="an operator's")
        )
        return api.StreamInfo(config=known, state=api.StreamState(0, 0, 0, 0, 0))

    async def add_stream(self, config: api.StreamConfig | None = None, **_params: object) -> api.StreamInfo:
        return self._put(config)

    async def update_stream(self, config: api.StreamConfig | None = None, **_params: object) -> api.StreamInfo:
        assert config is not None
        self.updated.append(str(config.name))
        return self._put(config)

    def _put(self, config: api.StreamConfig | None) -> api.StreamInfo:
        assert config is not None
        self.configs[str(config.name)] = config
        return api.StreamInfo(config=config, state=api.StreamState(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        pytest.param(1, 3, 3, id="raised"),
        pytest.param(3, 1, 1, id="lowered because the setting says so"),
        pytest.param(3, None, 3, id="kept without the setting"),
        pytest.param(None, None, 1, id="created without the setting"),
        pytest.param(None, 3, 3, id="created"),
    ],
)
async def test_replicas_of_streams_and_buckets_follow_the_setting(
    before: int | None, wanted: int | None, after: int
) -> None:
    cluster = Cluster(before)
    buckets = (*BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET)
    for _ in range(2):
        await provisioning.provision(cluster, replicas=wanted, buckets=buckets)
    names = [*(each.name for each in STREAMS), *(each.stream for each in buckets)]
    replicas = {name: config.num_replicas or 1 for name, config in cluster.configs.items()}
    assert replicas == dict.fromkeys(names, after)
    changed = [name for name in cluster.updated if name.startswith("KV_")]
    assert changed == ([each.stream for each in buckets] if before not in {None, after} else [])
    if before is not None:
        assert {config.description for config in cluster.configs.values()} == {"an operator's"}


async def test_provisioning_waits_for_the_directory_of_a_deleted_stream() -> None:
    server = RefusingServer(ServerError(code=500, err_code=provisioning.STORE_NOT_CREATED), times=2)
    await provisioning.provision(server, streams=STREAMS[:1], buckets=())
    assert server.created == [STREAMS[0].name]


async def test_provisioning_gives_up_on_other_errors() -> None:
    server = RefusingServer(ServerError(code=500, err_code=10047, description="insufficient storage"), times=1)
    with pytest.raises(ServerError, match="insufficient storage"):
        await provisioning.provision(server, streams=STREAMS[:1], buckets=())
