"""Versions of another registry are withdrawn only if it denies them itself, and not if it has lost everything."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.domain.notifications import Deleted, Pushed
from klever_registry.service.alarms import Alarms
from klever_registry.service.announcing import Announcer
from klever_registry.service.external import Notifications, Scanner
from klever_registry.service.signatures import Signatures
from kleverkit.errors import PermanentError, TransientError
from support import oci_artifacts as oci
from support.registry_units import RegistryUnits
from support.waiting import eventually

HOST = "registry.example.com"
ONE, TWO, THREE = (oci.model(text) for text in (b"one", b"two", b"three"))


class Other:
    """A registry whose endpoints answer, deny or fail as a test scripts them."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, oci.Artifact]] = {}
        self.unlisted: set[str] = set()
        self.failure: Exception | None = None

    def push(self, repository: str, tag: str, artifact: oci.Artifact) -> None:
        self.held.setdefault(repository, {})[tag] = artifact

    async def get(self, repository: str, reference: str) -> Manifest | None:
        artifact = self._tags(repository).get(reference)
        return parse_manifest(artifact.manifest, artifact.digest) if artifact else None

    async def is_deleted(self, repository: str, tag: str) -> bool:
        return tag not in self._tags(repository)

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        raise NotImplementedError(repository, digest, size)

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        raise NotImplementedError(repository, digest, size)

    async def repositories(self) -> list[str]:
        return sorted(set(self.held) - self.unlisted)

    async def tags(self, repository: str) -> dict[str, str]:
        return {tag: artifact.digest for tag, artifact in self._tags(repository).items()}

    async def has(self, repository: str) -> bool:
        return repository in self.held

    def _tags(self, repository: str) -> dict[str, oci.Artifact]:
        if self.failure is not None:
            raise self.failure
        return self.held.get(repository, {})


class World:
    """The part of the registry that follows another registry."""

    def __init__(self, home: Path) -> None:
        self.units, self.other = RegistryUnits(home), Other()
        self.alarms = Alarms(CollectorRegistry())
        units = self.units
        signatures = Signatures(blobs=units.blobs, manifests=units.manifests)
        units.announcer = Announcer(
            manifests=self.other, records=units.records, signatures=signatures, address=HOST, owns_names=False
        )
        self.scanner = Scanner(HOST, self.other, units.announcer, units.records, self.alarms)
        self.notifications = Notifications({HOST: units.announcer}, units.documents)

    async def scanned(self) -> list[str]:
        await self.scanner.scan()
        await self.units.work()
        return await self.units.versions()

    async def digest(self, tag: str) -> str | None:
        document = await self.units.document(tag, "team/iris")
        return document.spec.digest if document else None


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """Follow a registry with three models in two repositories."""
    world = World(tmp_path)
    for tag, artifact in (("v1", ONE), ("v2", TWO)):
        world.other.push("team/iris", tag, artifact)
    world.other.push("team/other", "v1", THREE)
    assert await world.scanned() == ["team/iris:v1", "team/iris:v2", "team/other:v1"]
    return world


ALL = ["team/iris:v1", "team/iris:v2", "team/other:v1"]


async def test_a_tag_that_the_registry_denies_is_withdrawn(world: World) -> None:
    del world.other.held["team/iris"]["v1"]
    assert await world.scanned() == ALL[1:]
    assert world.alarms.raised == {}


async def test_a_repository_missing_only_from_the_listing_loses_nothing(world: World) -> None:
    world.other.unlisted = {"team/iris", "team/other"}
    assert await world.scanned() == ALL


async def test_a_deleted_repository_loses_its_models_while_most_others_exist(world: World) -> None:
    del world.other.held["team/other"]
    assert await world.scanned() == ALL[:2]


async def test_an_empty_registry_is_an_alarm_and_loses_nothing(world: World) -> None:
    held, world.other.held = world.other.held, {}
    assert await world.scanned() == ALL
    (problem,) = world.alarms.raised.values()
    assert "3 models of" in problem
    world.other.held = held
    assert await world.scanned() == ALL
    assert world.alarms.raised == {}


async def test_lost_models_of_a_registry_are_given_up_on_request(world: World) -> None:
    world.other.held = {}
    await world.scanned()
    world.scanner.scan_soon(accept_loss=True)
    assert await world.scanned() == []
    assert world.alarms.raised == {}


@pytest.mark.parametrize("failure", [PermanentError("401: log in"), TransientError("503: try again later")])
async def test_a_registry_that_cannot_answer_denies_nothing(world: World, failure: Exception) -> None:
    world.other.failure = failure
    world.other.unlisted = {"team/iris"}
    with pytest.raises(type(failure)):
        await world.scanner.scan()
    await world.notifications.dispatch([Deleted(HOST, "team/iris", "v1", None)])
    async with world.units.announcing():
        await eventually(lambda: _was_checked(world))
    assert await world.units.versions() == ALL


async def test_a_scan_can_be_requested_early(world: World) -> None:
    scanning = asyncio.create_task(world.scanner.run(3600))
    world.other.push("team/iris", "v3", THREE)
    world.scanner.scan_soon()
    async with world.units.announcing():
        await eventually(lambda: world.digest("v3"))
    scanning.cancel()
    with suppress(asyncio.CancelledError):
        await scanning


def pushed(artifact: oci.Artifact) -> Pushed:
    return Pushed(HOST, "team/iris", "v1", artifact.digest)


async def test_a_version_that_cannot_be_announced_is_an_alarm(world: World) -> None:
    world.other.failure = PermanentError("403: your account may not")
    await world.notifications.dispatch([Deleted(HOST, "team/iris", "v1", None)])
    await world.units.work()
    world.other.failure = None
    await world.scanner.scan()
    (problem,) = world.alarms.raised.values()
    assert "team/iris:v1: 403: your account may not" in problem


async def test_notifications_in_any_order_end_with_the_current_tag(world: World) -> None:
    world.other.push("team/iris", "v1", TWO)
    await world.notifications.dispatch([pushed(TWO), pushed(THREE), pushed(ONE), pushed(TWO)])
    await world.units.work()
    assert await world.digest("v1") == TWO.digest
    assert [data.digest for data in world.units.publisher.data()[3:]] == [TWO.digest]


async def test_a_notification_that_precedes_the_tag_waits_for_it(world: World) -> None:
    await world.notifications.dispatch([pushed(THREE)])
    async with world.units.announcing():
        await eventually(lambda: _was_checked(world))
        world.other.push("team/iris", "v1", THREE)
        await eventually(lambda: _names(world, THREE))


async def _was_checked(world: World) -> bool:
    pending = world.units.announcer.pending
    return bool(pending.stuck or pending._failures)


async def _names(world: World, artifact: oci.Artifact) -> bool:
    return await world.digest("v1") == artifact.digest
