"""Request counters of a cluster without a Prometheus."""

from collections.abc import Collection

from klever_deployer.domain.analysis import Counts
from klever_deployer.errors import DataPlaneError
from kleverroutes.versions import VersionKey


class UncountedRequests:
    """See `ports.RequestCounts`: no counters are available."""

    async def counts(self, _versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """See `RequestCounts`. Raises DataPlaneError."""
        raise DataPlaneError("requests are not counted on this cluster: set KLEVER_DEPLOYER_PROMETHEUS_URL")
