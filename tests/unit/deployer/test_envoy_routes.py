"""The state of Envoy is known only from Envoy: changes that are superseded, fail, or are killed half way."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.local.envoy_admin import EnvoyAdmin
from klever_deployer.adapters.local.envoy_files import CLUSTERS, ROUTES, Discovery, EnvoyFiles
from klever_deployer.adapters.local.envoy_routes import EnvoyRoutes
from klever_deployer.adapters.local.placed_routes import PlacedRoute
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.errors import DataPlaneError
from kleverroutes.versions import ServingName, VersionKey
from support.data_planes import route_to
from support.deployer import IRIS
from support.waiting import eventually

OTHER = ServingName("default", "abalone")
LIMIT = 1_000_000
TABLE = "table.json"
KINDS = {f"{kind.stat}.version_text": kind for kind in (CLUSTERS, ROUTES)}


class FakeEnvoy(EnvoyAdmin):
    """Accepts each file at once while `accepts`; requests are open while `busy`; does not answer while `silent`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "admin-address")
        self._directory = directory
        self._loaded: dict[Discovery, Any] = {}
        self.accepts = True
        self.busy = self.silent = False

    async def counter(self, stat: str) -> int:  # noqa: ARG002 - rejects nothing
        return 0

    async def version(self, stat: str) -> str:
        if self.silent:
            raise DataPlaneError("Envoy's admin interface does not answer")
        if self.accepts and (self._directory / KINDS[stat].file).is_file():
            self._loaded[KINDS[stat]] = json.loads((self._directory / KINDS[stat].file).read_text())
        return str(self._loaded.get(KINDS[stat], {}).get("version_info", ""))

    async def active_requests(self, clusters: set[str]) -> int:  # noqa: ARG002 - all are as busy
        if self.silent:
            raise DataPlaneError("Envoy's admin interface does not answer")
        return int(self.busy)

    def revisions(self, kind: Discovery) -> list[str]:
        """The revisions in the configuration in effect."""
        text = json.dumps(self._loaded.get(kind, {}))
        return [revision for revision in ("old", "new", "other") if f"/{revision}" in text]


@pytest.fixture
def envoy(tmp_path: Path) -> FakeEnvoy:
    return FakeEnvoy(tmp_path)


def make(directory: Path, envoy: FakeEnvoy) -> EnvoyRoutes:
    """The routes of a deployer that does not know yet whether Envoy runs."""
    files, table = EnvoyFiles(directory, envoy, directory / "log"), directory / TABLE
    routes = EnvoyRoutes(files, envoy, table, drain_seconds=60.0, limit=LIMIT)
    routes.load()
    return routes


async def deployer(directory: Path, envoy: FakeEnvoy) -> EnvoyRoutes:
    """The routes of a deployer that has found Envoy running."""
    routes = make(directory, envoy)
    await routes.on_started()
    return routes


def to(revision: str, serving: ServingName = IRIS) -> PlacedRoute:
    return route_to(Endpoint("127.0.0.1", 1001), version=VersionKey(serving, "default", revision))


async def started_change(change: Coroutine[Any, Any, None], *, until: Any) -> asyncio.Task[None]:
    """A change that has reached this point."""
    task = asyncio.create_task(change)

    async def is_reached() -> bool:
        return bool(until())

    await eventually(is_reached)
    return task


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def written(directory: Path, kind: Discovery) -> str:
    return (directory / kind.file).read_text()


async def test_the_last_change_applies_when_the_previous_one_was_superseded_in_progress(
    tmp_path: Path, envoy: FakeEnvoy
) -> None:
    routes = await deployer(tmp_path, envoy)
    await routes.replace(IRIS, to("old"))
    envoy.accepts = False
    superseded = await started_change(
        routes.replace(IRIS, to("new")), until=lambda: "new" in written(tmp_path, CLUSTERS)
    )
    await cancel(superseded)
    last = asyncio.create_task(routes.replace(IRIS, to("old")))
    await asyncio.wait({last}, timeout=0)
    assert not last.done()
    envoy.accepts = True
    await last
    assert envoy.revisions(ROUTES) == envoy.revisions(CLUSTERS) == ["old"]


async def test_the_last_change_applies_when_the_previous_one_has_failed_half_way(
    tmp_path: Path, envoy: FakeEnvoy
) -> None:
    routes = await deployer(tmp_path, envoy)
    await routes.replace(IRIS, to("old"))
    envoy.busy = True
    failed = await started_change(routes.replace(IRIS, to("new")), until=lambda: envoy.revisions(ROUTES) == ["new"])
    envoy.silent = True
    with pytest.raises(DataPlaneError, match="does not answer"):
        await failed
    envoy.silent = envoy.busy = False
    await routes.replace(IRIS, to("old"))
    assert envoy.revisions(ROUTES) == envoy.revisions(CLUSTERS) == ["old"]
    assert (await deployer(tmp_path, envoy)).served() == {IRIS}


@pytest.mark.parametrize("wanted", ["old", "new"])
async def test_the_next_deployer_completes_a_change_that_was_killed_while_requests_drain(
    tmp_path: Path, envoy: FakeEnvoy, wanted: str
) -> None:
    killed = await deployer(tmp_path, envoy)
    await killed.replace(IRIS, to("old"))
    envoy.busy = True
    change = await started_change(killed.replace(IRIS, to("new")), until=lambda: envoy.revisions(ROUTES) == ["new"])
    assert killed._changing is not None
    await cancel(killed._changing, change)  # a killed process writes no more
    successor = await deployer(tmp_path, envoy)
    next_change = await started_change(
        successor.replace(IRIS, to(wanted)), until=lambda: envoy.revisions(ROUTES) == [wanted]
    )
    assert envoy.revisions(CLUSTERS) == ["old", "new"]  # both have open requests
    envoy.busy = False
    await next_change
    assert envoy.revisions(ROUTES) == envoy.revisions(CLUSTERS) == [wanted]


@pytest.mark.parametrize("kind", [CLUSTERS, ROUTES])
async def test_the_next_deployer_does_not_treat_a_written_route_as_applied(
    tmp_path: Path, envoy: FakeEnvoy, kind: Discovery
) -> None:
    await (await deployer(tmp_path, envoy)).replace(IRIS, to("old"))
    envoy.accepts = False
    EnvoyFiles(tmp_path, envoy, tmp_path / "log").write(kind, [])  # killed here
    before = written(tmp_path, kind)
    successor = await deployer(tmp_path, envoy)
    envoy.accepts = True
    await successor.replace(IRIS, to("old"))
    assert written(tmp_path, kind) != before
    assert envoy.revisions(ROUTES) == envoy.revisions(CLUSTERS) == ["old"]


async def test_the_next_deployer_leaves_applied_routes_alone(tmp_path: Path, envoy: FakeEnvoy) -> None:
    await (await deployer(tmp_path, envoy)).replace(IRIS, to("old"))
    before = [written(tmp_path, kind) for kind in (CLUSTERS, ROUTES)]
    await (await deployer(tmp_path, envoy)).replace(IRIS, to("old"))
    assert [written(tmp_path, kind) for kind in (CLUSTERS, ROUTES)] == before


async def test_a_serving_removed_while_its_deployment_waits_for_envoy_does_not_appear(
    tmp_path: Path, envoy: FakeEnvoy
) -> None:
    routes = make(tmp_path, envoy)
    superseded = asyncio.create_task(routes.replace(IRIS, to("new")))
    await asyncio.wait({superseded}, timeout=0)
    await cancel(superseded)
    removed = asyncio.create_task(routes.replace(IRIS, None))
    await routes.on_started()
    await removed
    assert (routes.served(), envoy.revisions(ROUTES)) == (set(), [])


async def test_a_removal_waits_for_a_deployment_in_progress(tmp_path: Path, envoy: FakeEnvoy) -> None:
    routes = await deployer(tmp_path, envoy)
    envoy.accepts = False
    superseded = await started_change(routes.replace(IRIS, to("new")), until=(tmp_path / CLUSTERS.file).exists)
    await cancel(superseded)
    removed = asyncio.create_task(routes.replace(IRIS, None))
    envoy.accepts = True
    await removed
    assert (routes.served(), envoy.revisions(ROUTES), envoy.revisions(CLUSTERS)) == (set(), [], [])


async def test_an_envoy_restarted_during_a_change_gets_the_applied_routes(tmp_path: Path, envoy: FakeEnvoy) -> None:
    routes = await deployer(tmp_path, envoy)
    await routes.replace(IRIS, to("old"))
    envoy.busy = True
    failed = await started_change(routes.replace(IRIS, to("new")), until=lambda: envoy.revisions(ROUTES) == ["new"])
    envoy.silent = True
    routes.on_exited()
    await asyncio.gather(failed, return_exceptions=True)
    await routes.write_all()
    assert "old" in written(tmp_path, ROUTES)
    assert "new" not in written(tmp_path, ROUTES)
    envoy.silent = envoy.busy = False
    await routes.on_started()
    await routes.replace(IRIS, to("new"))
    assert envoy.revisions(ROUTES) == envoy.revisions(CLUSTERS) == ["new"]


@pytest.mark.parametrize("name", [CLUSTERS.file, ROUTES.file, TABLE])
async def test_a_change_fails_on_a_full_disk_and_succeeds_once_there_is_space(
    tmp_path: Path, envoy: FakeEnvoy, name: str
) -> None:
    routes = await deployer(tmp_path, envoy)
    await routes.replace(OTHER, to("other", OTHER))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()  # nothing can be written there
    for _ in range(2):
        with pytest.raises(DataPlaneError, match=rf"{name} .* cannot be written: .*\. Free disk space"):
            await routes.replace(IRIS, to("new"))
    assert "other" in envoy.revisions(ROUTES)
    (tmp_path / name).rmdir()
    await routes.replace(IRIS, to("new"))
    assert envoy.revisions(ROUTES) == ["new", "other"]
    assert (await deployer(tmp_path, envoy)).served() == {IRIS, OTHER}
