"""Request counters of a cluster without a collector of metrics."""

from collections.abc import Collection

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.versions import VersionKey


class UncountedRequests:
    """See `ports.RequestCounts`: no version has counters."""

    async def counts(self, _versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """See `RequestCounts`. An analysis waits for its minimum number of requests."""
        return {}
