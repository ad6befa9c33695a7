"""Two registries announce one tag. Whichever is slower, the catalogue ends with the current digest."""

from pathlib import Path

import pytest

from kleverkit.leases import NotLeaderError
from support import oci_artifacts as oci
from support.registry_units import REPOSITORY, RegistryUnits

FIRST, SECOND = oci.model(b"first"), oci.model(b"second")


@pytest.fixture
def replicas(tmp_path: Path) -> tuple[RegistryUnits, RegistryUnits]:
    """Two replicas of one registry, which share the disk, the catalogue and the stream."""
    one, two = RegistryUnits(tmp_path), RegistryUnits(tmp_path)
    two.manifests, two.blobs, two.documents = one.manifests, one.blobs, one.documents
    two.publisher, two.projects = one.publisher, one.projects
    two.begin()
    return one, two


async def digest(registry: RegistryUnits) -> str | None:
    document = await registry.document("v1")
    return document.spec.digest if document else None


async def test_a_push_announced_after_a_later_one_of_another_replica_does_not_win(
    replicas: tuple[RegistryUnits, RegistryUnits],
) -> None:
    one, two = replicas
    await one.push("v1", FIRST)
    await two.push("v1", SECOND)
    await two.work()
    await one.work()
    assert await digest(one) == SECOND.digest


async def test_a_push_announced_after_its_deletion_at_another_replica_does_not_win(
    replicas: tuple[RegistryUnits, RegistryUnits],
) -> None:
    one, two = replicas
    await one.push("v1", FIRST)
    await two.distribution.delete(REPOSITORY, "v1")
    await two.work()
    await one.work()
    assert await digest(one) is None


async def test_a_standby_gives_up_no_model(replicas: tuple[RegistryUnits, RegistryUnits]) -> None:
    """Its scanners would do so much later, once it is the leader."""
    one, two = replicas
    await one.push("v1", FIRST)
    await one.work()
    one.manifests.lose()
    two.is_leader = False
    with pytest.raises(NotLeaderError):
        await two.reconciler.rebuild()
    assert await digest(one) == FIRST.digest


async def test_each_push_of_either_replica_is_announced_once(replicas: tuple[RegistryUnits, RegistryUnits]) -> None:
    one, two = replicas
    await one.push("v1", FIRST)
    await two.push("v2", SECOND)
    await one.work()
    await two.work()
    await one.reconciler.reconcile()
    await two.reconciler.reconcile()
    await one.work()
    await two.work()
    assert one.publisher.names() == ["ModelPushed", "ModelPushed"]
