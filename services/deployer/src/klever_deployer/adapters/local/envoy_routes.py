"""The routes of all servings in one Envoy, changed without dropping a request.

The order of a change is the whole point: clusters come before the routes that use them, and go after their last
request has completed. Changed in any other order, Envoy fails requests while it catches up.

A change that was not seen through, by an error or because the deployer was killed, leaves it unknown what Envoy has.
The next change then assumes nothing: it writes everything, and waits until Envoy says that it has that.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from klever_deployer.domain.versions import ServingName
from klever_deployer.errors import DataPlaneError

from . import envoy_config
from .access_keys import AccessKeys
from .envoy_admin import EnvoyAdmin
from .envoy_files import CLUSTERS, POLL_SECONDS, ROUTES, EnvoyFiles
from .placed_routes import PlacedRoute, RoutingTable, dump_table, load_table

QUIET_POLLS = 3
"""Looks in a row without a request in flight before a cluster counts as drained; routes reach workers a little late."""

Clusters = dict[str, dict[str, Any]]


class EnvoyRoutes:
    """What Envoy routes where.

    Args:
        files: Envoy's configuration.
        admin: knows how many requests are in flight.
        table: the file that holds what a deployer saw in effect last, as `dump_table` writes it.
        drain_seconds: longest wait for requests by an old route.
        limit: bytes of a message by gRPC.
        keys: which the model servers require; none by default.
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
        """Whether Envoy has the table, the whole table, and nothing else."""
        self._in_use: Clusters = {}
        """The clusters that Envoy's routes may name."""
        self._lock = asyncio.Lock()
        self._up = asyncio.Event()
        self._changing: asyncio.Task[None] | None = None
        """Kept, since the event loop itself does not keep a task that nobody waits for."""

    def load(self) -> None:
        """Read what the last deployer has left: before anything else."""
        self._table, self._is_settled = _load(self._file), False
        self._in_use = self._may_be_in_use()

    def served(self) -> set[ServingName]:
        """The servings that have a route."""
        return set(self._table)

    def is_up(self) -> bool:
        """Whether changes are taken."""
        return self._up.is_set()

    async def until_up(self) -> None:
        """Wait until changes are taken."""
        await self._up.wait()

    async def write_down(self) -> None:
        """Write everything for an Envoy that is about to start. Raises DataPlaneError."""
        async with self._lock:
            self._is_settled = False
            await asyncio.to_thread(self._files.write, CLUSTERS, envoy_config.clusters(self._table))
            await asyncio.to_thread(self._files.write, ROUTES, self._routes(self._table))
            self._in_use = _clusters(self._table)

    async def came_up(self) -> None:
        """Envoy runs, started or adopted: see what it has, and take changes from now on. Raises DataPlaneError."""
        async with self._lock:
            self._is_settled = await self._has_table()
            self._in_use = _clusters(self._table) if self._is_settled else self._may_be_in_use()
            self._up.set()

    def went_down(self) -> None:
        """Envoy has exited: changes wait."""
        self._up.clear()

    async def replace(self, serving: ServingName, route: PlacedRoute | None) -> None:
        """Route a serving's requests so, or not at all. Raises DataPlaneError: what was there still holds.

        One change comes after the other. One that has begun is carried to its end, even when whoever asked for it no
        longer waits; one that has not is dropped then.
        """
        await self._turn()
        if self._is_settled and self._table.get(serving) == route:
            self._lock.release()
            return
        new = {name: present for name, present in self._table.items() if name != serving}
        if route is not None:
            new[serving] = route
        self._changing = asyncio.create_task(self._change(new))
        self._changing.add_done_callback(lambda _task: self._lock.release())
        await asyncio.shield(self._changing)

    async def _turn(self) -> None:
        """Return with the lock, while Envoy runs."""
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
            await self._drained(leaving)
            await self._files.put(CLUSTERS, _sorted(wanted))
        self._in_use = wanted
        self._table = new
        await asyncio.to_thread(self._files.keep, self._file.name, dump_table(new))
        self._is_settled = True

    async def _drained(self, clusters: set[str]) -> None:
        """Wait until no request is in flight by the old route, but not for ever."""
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

    def _may_be_in_use(self) -> Clusters:
        """Those of the table, and those that the routes written last name: they were accepted before these."""
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
