"""A client of Envoy's admin interface."""

from pathlib import Path
from typing import Any

import aiohttp

from klever_deployer.domain.analysis import Counts
from klever_deployer.errors import DataPlaneError

from .envoy_statistics import counts_of, stats_filter

TIMEOUT = aiohttp.ClientTimeout(total=3)
OK = 200
URL = "http://envoy"


class EnvoyAdmin:
    """A client of one Envoy.

    Args:
        address_file: the file to which Envoy writes the path of its socket.
    """

    def __init__(self, address_file: Path) -> None:
        self._address_file = address_file

    async def is_live(self) -> bool:
        """Return whether Envoy accepts requests."""
        try:
            async with self._session() as session, session.get("/ready") as response:
                return response.status == OK
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def version(self, stat: str) -> str:
        """The version of the configuration in use, from its `version_text`. Raises DataPlaneError."""
        stats = await self._get(f"/stats?filter=^{stat}$&type=TextReadouts&format=json")
        return next((str(each["value"]) for each in stats["stats"] if each.get("name") == stat), "")

    async def counter(self, stat: str) -> int:
        """The value of a counter. Raises DataPlaneError."""
        stats = await self._get(f"/stats?filter=^{stat}$&format=json")
        return next((int(each["value"]) for each in stats["stats"] if each.get("name") == stat), 0)

    async def active_requests(self, clusters: set[str]) -> int:
        """Number of requests in flight to these clusters. Raises DataPlaneError."""
        clusters_status = await self._get("/clusters?format=json")
        return sum(
            int(stat.get("value", 0))
            for cluster in clusters_status.get("cluster_statuses", [])
            if cluster["name"] in clusters
            for host in cluster.get("host_statuses", [])
            for stat in host["stats"]
            if stat["name"] == "rq_active"
        )

    async def counts(self, clusters: set[str]) -> dict[str, Counts]:
        """The counters by cluster, without clusters that Envoy does not have. Raises DataPlaneError."""
        if not clusters:
            return {}
        query = f"format=json&histogram_buckets=cumulative&filter={stats_filter(clusters)}"
        return counts_of(await self._get(f"/stats?{query}"))

    async def reopen_logs(self) -> None:
        """Make Envoy reopen its access logs after they were renamed. Raises DataPlaneError."""
        try:
            async with self._session() as session, session.post("/reopen_logs") as response:
                response.raise_for_status()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DataPlaneError(f"Envoy's admin interface does not answer: {error}") from error

    async def metrics(self) -> bytes:
        """Envoy's metrics in the Prometheus text format. Raises DataPlaneError."""
        try:
            async with self._session() as session, session.get("/stats/prometheus") as response:
                return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DataPlaneError(f"Envoy's admin interface does not answer: {error}") from error

    async def _get(self, path: str) -> Any:
        try:
            async with self._session() as session, session.get(path) as response:
                return await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise DataPlaneError(f"Envoy's admin interface does not answer: {error}") from error

    def _session(self) -> aiohttp.ClientSession:
        """A new session for each call: calls are rare, and a restarted Envoy has another socket."""
        connector = aiohttp.UnixConnector(self._address_file.read_text().strip())
        return aiohttp.ClientSession(URL, connector=connector, timeout=TIMEOUT)
