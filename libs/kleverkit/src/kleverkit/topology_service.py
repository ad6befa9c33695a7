"""The service that creates streams, buckets and consumers, and recreates lost ones.

If NATS requires credentials, no other service may do this: a service that can create a consumer or a stream controls
where its messages are sent (docs/adr/0025).
"""

from pydantic_settings import SettingsConfigDict

from kleverproto.streams import CONSUMERS, TOPOLOGY

from .service import Runtime, main, make_runtime
from .settings import ServiceSettings


class TopologySettings(ServiceSettings):
    """Environment variables `KLEVER_TOPOLOGY_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_TOPOLOGY_")


def build(settings: TopologySettings) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime(TOPOLOGY, settings)
    runtime.topology.need(CONSUMERS)
    return runtime


if __name__ == "__main__":
    main(TOPOLOGY, TopologySettings, build)
