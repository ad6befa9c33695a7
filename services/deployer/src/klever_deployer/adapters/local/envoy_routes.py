"""The routes of all servings in one Envoy, changed without dropping a request.

The order of a change is essential: clusters are added before the routes that use them, and removed after their last
request has completed. In any other order, requests fail until Envoy has applied all files.

After a change that was interrupted by an error or a crash, Envoy's state is unknown. The next change therefore writes
all files, and waits until Envoy has applied them.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from klever_deployer.errors import DataPlaneError
from kleverroutes.versions import ServingName

from . import envoy_config
from .access_keys import AccessKeys
from .envoy_admin import EnvoyAdmin
from .envoy_files import CLUSTERS, POLL_SECONDS, ROUTES, EnvoyFiles
from .placed_routes import PlacedRoute, RoutingTable, dump_table, load_table

QUIET_POLLS = 3
"""Consecutive polls without requests in flight until a cluster is drained; workers apply routes with a delay."""

Clusters = dict[str, dict[str, Any]]


class EnvoyRoutes:
    """The routing table of Envoy.

    Args:
        files: Envoy's configuration files.
        admin: reports the number of requests in flight.
        table: the file with the last table that was in effect, as written by `dump_table`.
        drain_seconds: longest wait for requests on an old route.
        limit: the limit for a gRPC message, in bytes.
        keys: the keys that model servers require; none by default.
    """

    def __init__(
        self,
        files: EnvoyFiles,
        admin: EnvoyAdmin,
        table: Path,
        *,
        drain_seconds: float,
        limit: int,
        keys: AccessKeys | None = None,
    ) -> None:
        self._files = files
        self._admin = admin
        self.drain_seconds = drain_seconds
        self._limit = limit
        self._keys = keys
        self._file = table
        self._table: RoutingTable = {}
        self._is_settled = False
        """True if Envoy is known to have applied exactly this table."""
        self._in_use: Clusters = {}
        """The clusters that Envoy's routes may use."""
        self._lock = asyncio.Lock()
        self._up = asyncio.Event()
        self._changing: asyncio.Task[None] | None = None
        """A reference to the task: the event loop keeps only a weak one."""

    def load(self) -> None:
        """Read the table of the last deployer; called first."""
        self._table, self._is_settled = _load(self._file), False
        self._in_use = self._possibly_in_use()

    def served(self) -> set[ServingName]:
        """The servings that have a route."""
        return set(self._table)

    def is_up(self) -> bool:
        """Return whether Envoy runs, so that changes are applied."""
        return self._up.is_set()

    async def wait_until_up(self) -> None:
        """Wait until Envoy runs."""
        await self._up.wait()

    async def write_all(self) -> None:
        """Write all files before Envoy is started. Raises DataPlaneError."""
        async with self._lock:
            self._is_settled = False
            await asyncio.to_thread(self._files.write, CLUSTERS, envoy_config.clusters(self._table))
            await asyncio.to_thread(self._files.write, ROUTES, self._routes(self._table))
            self._in_use = _clusters(self._table)

    async def on_started(self) -> None:
        """Check the state of an Envoy that was started or adopted, and accept changes. Raises DataPlaneError."""
        async with self._lock:
            self._is_settled = await self._has_table()
            self._in_use = _clusters(self._table) if self._is_settled else self._possibly_in_use()
            self._up.set()

    def on_exited(self) -> None:
        """Make changes wait, because Envoy has exited."""
        self._up.clear()

    async def replace(self, serving: ServingName, route: PlacedRoute | None) -> None:
        """Replace or remove the route of a serving. Raises DataPlaneError; the old route then stays in effect.

        Changes are made one at a time. If the caller is cancelled, a change that has begun completes, and one that has
        not is dropped.
        """
        await self._acquire()
        if self._is_settled and self._table.get(serving) == route:
            self._lock.release()
            return
        new = {name: present for name, present in self._table.items() if name != serving}
        if route is not None:
            new[serving] = route
        self._changing = asyncio.create_task(self._change(new))
        self._changing.add_done_callback(lambda _task: self._lock.release())
        await asyncio.shield(self._changing)

    async def _acquire(self) -> None:
        """Wait until Envoy runs and this caller holds the lock."""
        while True:
            await self._up.wait()
            await self._lock.acquire()
            if self._up.is_set():
                return
            self._lock.release()

    async def _change(self, new: RoutingTable) -> None:
        wanted, was_settled = _clusters(new), self._is_settled
        self._is_settled = False
        both = self._in_use | wanted
        if not was_settled or both != self._in_use:
            await self._files.put(CLUSTERS, _sorted(both))
        self._in_use = both
        await self._files.put(ROUTES, self._routes(new))
        if leaving := both.keys() - wanted.keys():
            await self._wait_until_drained(leaving)
            await self._files.put(CLUSTERS, _sorted(wanted))
        self._in_use = wanted
        self._table = new
        await asyncio.to_thread(self._files.keep, self._file.name, dump_table(new))
        self._is_settled = True

    async def _wait_until_drained(self, clusters: set[str]) -> None:
        """Wait until no request is in flight on the old route, at most `drain_seconds`."""
        deadline, quiet = time.monotonic() + self.drain_seconds, 0
        while quiet < QUIET_POLLS and time.monotonic() < deadline:
            busy = await self._admin.active_requests(clusters)
            quiet = 0 if busy else quiet + 1
            await asyncio.sleep(POLL_SECONDS)

    async def _has_table(self) -> bool:
        try:
            has_clusters = await self._files.is_in_effect(CLUSTERS, envoy_config.clusters(self._table))
            return has_clusters and await self._files.is_in_effect(ROUTES, self._routes(self._table))
        except DataPlaneError:
            return False

    def _routes(self, table: RoutingTable) -> list[envoy_config.Json]:
        return envoy_config.routes(table, limit=self._limit, keys=self._keys)

    def _possibly_in_use(self) -> Clusters:
        """The clusters of the table, and those in the last written routes, which were applied before the routes."""
        written = json.dumps(self._files.last(ROUTES))
        named = {c["name"]: c for c in self._files.last(CLUSTERS) if json.dumps(c.get("name")) in written}
        return named | _clusters(self._table)


def _clusters(table: RoutingTable) -> Clusters:
    return {cluster["name"]: cluster for cluster in envoy_config.clusters(table)}


def _sorted(clusters: Clusters) -> list[dict[str, Any]]:
    return [clusters[name] for name in sorted(clusters)]


def _load(file: Path) -> RoutingTable:
    try:
        return load_table(file.read_text())
    except (OSError, ValueError):
        return {}
