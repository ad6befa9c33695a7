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
        address_file: Envoy writes the path of its socket there.
    """

    def __init__(self, address_file: Path) -> None:
        self._address_file = address_file

    async def is_live(self) -> bool:
        """Whether Envoy takes requests."""
        try:
            async with self._session() as session, session.get("/ready") as response:
                return response.status == OK
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def version(self, stat: str) -> str:
        """The version of a configuration that is in use, from its `version_text`. Raises DataPlaneError."""
        stats = await self._get(f"/stats?filter=^{stat}$&type=TextReadouts&format=json")
        return next((str(each["value"]) for each in stats["stats"] if each.get("name") == stat), "")

    async def counter(self, stat: str) -> int:
        """A counter. Raises DataPlaneError."""
        stats = await self._get(f"/stats?filter=^{stat}$&format=json")
        return next((int(each["value"]) for each in stats["stats"] if each.get("name") == stat), 0)

    async def active_requests(self, clusters: set[str]) -> int:
        """Requests in flight to these clusters. Raises DataPlaneError."""
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
        """Cluster to what was counted of it, those that Envoy does not know left out. Raises DataPlaneError."""
        if not clusters:
            return {}
        query = f"format=json&histogram_buckets=cumulative&filter={stats_filter(clusters)}"
        return counts_of(await self._get(f"/stats?{query}"))

    async def reopen_logs(self) -> None:
        """Have Envoy write to a new file where an access log was moved. Raises DataPlaneError."""
        try:
            async with self._session() as session, session.post("/reopen_logs") as response:
                response.raise_for_status()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DataPlaneError(f"Envoy's admin interface does not answer: {error}") from error

    async def metrics(self) -> bytes:
        """Everything that Envoy counts, as Prometheus reads it. Raises DataPlaneError."""
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
        """A new one each time: admin calls are few, and Envoy may have been started again elsewhere."""
        connector = aiohttp.UnixConnector(self._address_file.read_text().strip())
        return aiohttp.ClientSession(URL, connector=connector, timeout=TIMEOUT)
