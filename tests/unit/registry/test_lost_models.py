"""Models that are missing without a deletion were lost: they stay in the catalogue, and an alarm is raised."""

from pathlib import Path

import pytest

from klever_registry.errors import StorageError
from klever_registry.service.reconciling import HIDDEN, LOST, STUCK, UNREADABLE
from kleverproto.references import ModelRef
from support import foreign_artifacts as foreign
from support import oci_artifacts as oci
from support.registry_units import REPOSITORY, RegistryUnits

MODEL = oci.model()
VERSIONS = [f"{REPOSITORY}:v1", f"{REPOSITORY}:v2", "library/other:v1"]


@pytest.fixture
async def registry(tmp_path: Path) -> RegistryUnits:
    """A registry with three models in two repositories."""
    units = RegistryUnits(tmp_path)
    for version in VERSIONS:
        repository, _, tag = version.partition(":")
        await units.push(tag, MODEL, repository)
    await units.reconciler.reconcile()
    await units.work()
    assert units.alarms.raised == {}
    return units


async def reconciled(registry: RegistryUnits) -> list[str]:
    await registry.reconciler.reconcile()
    await registry.work()
    return await registry.versions()


async def test_an_emptied_registry_removes_nothing_from_the_catalogue(registry: RegistryUnits) -> None:
    lost = registry.manifests.lose()
    assert await reconciled(registry) == VERSIONS
    assert "3 of 3 models" in registry.alarms.raised[LOST]
    assert "klever registry rebuild" in registry.alarms.raised[LOST]
    assert await registry.reconciler.check() == registry.alarms.raised[LOST]
    assert registry.publisher.names() == ["ModelPushed"] * 3
    registry.manifests.give_back(lost)
    assert await reconciled(registry) == VERSIONS
    assert registry.alarms.raised == {}
    assert await registry.reconciler.check() is None


async def test_a_few_lost_models_are_an_alarm_and_the_registry_stays_ready(registry: RegistryUnits) -> None:
    lost = registry.manifests.lose()
    registry.manifests.give_back({REPOSITORY: lost[REPOSITORY]})
    assert await reconciled(registry) == VERSIONS
    assert "library/other:v1" in registry.alarms.raised[LOST]
    assert await registry.reconciler.check() is None


async def test_proven_deletions_are_accepted_in_any_number(registry: RegistryUnits) -> None:
    for version in VERSIONS:
        repository, _, tag = version.partition(":")
        await registry.manifests.delete_tag(repository, tag)
    assert await reconciled(registry) == []
    assert registry.alarms.raised == {}
    assert registry.publisher.names() == [*["ModelPushed"] * 3, *["ModelDeleted"] * 3]


async def test_an_unreadable_repository_keeps_its_models_and_delays_no_other(registry: RegistryUnits) -> None:
    registry.manifests.unreadable.add("library/other")
    await registry.manifests.delete_tag(REPOSITORY, "v2")
    assert await reconciled(registry) == [VERSIONS[0], VERSIONS[2]]
    assert "library/other" in registry.alarms.raised[UNREADABLE]
    assert LOST not in registry.alarms.raised
    with pytest.raises(StorageError, match="library/other"):
        await registry.reconciler.rebuild()
    assert await registry.versions() == [VERSIONS[0], VERSIONS[2]]


async def test_an_unconfirmed_notification_of_a_deletion_changes_nothing(
    registry: RegistryUnits,
) -> None:
    registry.announcer.untagged(REPOSITORY, "v1")
    registry.manifests.lose()
    await registry.work()
    assert await registry.versions() == VERSIONS


async def test_a_rebuild_gives_up_lost_models(registry: RegistryUnits) -> None:
    lost = registry.manifests.lose()
    registry.manifests.give_back({REPOSITORY: lost[REPOSITORY]})
    await registry.reconciler.rebuild()
    await registry.work()
    assert await registry.versions() == VERSIONS[:2]
    assert registry.publisher.names()[3:] == ["ModelDeleted", "ModelPushed", "ModelPushed"]
    await registry.reconciler.reconcile()
    assert registry.alarms.raised == {}


async def test_a_model_whose_config_was_lost_is_not_treated_as_something_else(registry: RegistryUnits) -> None:
    old = foreign.ormb_v1alpha1(labels={"team": "a"})
    await registry.push("v1", old)
    await registry.work()
    for blob in old.blobs:
        await registry.blobs.delete(REPOSITORY, oci.sha256(blob))
    registry.announcer.tagged(REPOSITORY, "v1", old.digest)
    await registry.work()
    assert await registry.versions() == VERSIONS
    await registry.reconciler.reconcile()
    assert "has lost the config" in registry.alarms.raised[STUCK]


async def test_a_lost_store_is_filled_again_without_a_restart(registry: RegistryUnits) -> None:
    before = {event.id for event in registry.publisher.events}
    registry.lose_the_store()
    assert await reconciled(registry) == VERSIONS
    assert registry.publisher.names() == ["ModelPushed"] * 3
    assert {event.id for event in registry.publisher.events} == before


async def test_an_older_catalogue_from_a_backup_deletes_nothing_and_catches_up(registry: RegistryUnits) -> None:
    newer = oci.model(b"pushed after the backup")
    old = await registry.document("v1")
    await registry.push("v1", newer)
    await registry.push("v3", newer)
    await registry.work()
    assert old is not None
    registry.lose_the_catalogue()
    await registry.documents.create(old.spec.ref.key, old)
    assert await reconciled(registry) == [*VERSIONS[:2], f"{REPOSITORY}:v3", VERSIONS[2]]
    document = await registry.document("v1")
    assert document is not None
    assert document.spec.digest == newer.digest


async def test_a_permanent_failure_is_reported_and_delays_no_other(registry: RegistryUnits) -> None:
    registry.embedded.failure = RuntimeError("nobody foresaw this")
    await registry.push("poison", foreign.ormb_v1alpha1(labels={}))
    await registry.push("v4", MODEL)
    await registry.work()
    assert f"{REPOSITORY}:v4" in await registry.versions()
    for _ in range(2):
        await registry.reconciler.reconcile()
        await registry.work()
    assert "RuntimeError: nobody foresaw this" in registry.alarms.raised[STUCK]


async def test_an_unreadable_document_is_left_alone_and_delays_no_other(registry: RegistryUnits) -> None:
    registry.documents.spoil(ModelRef.parse(VERSIONS[1]).key)
    await registry.manifests.delete_tag("library/other", "v1")
    await registry.push("v3", MODEL)
    await registry.reconciler.reconcile()
    await registry.work()
    listing = await registry.documents.listing()
    assert [str(each.document.spec.ref) for each in listing.documents] == [VERSIONS[0], f"{REPOSITORY}:v3"]
    assert [entry.key for entry in listing.unreadable] == [ModelRef.parse(VERSIONS[1]).key]
    assert registry.alarms.raised.keys() == {HIDDEN}
    assert "nats kv del klever-models" in registry.alarms.raised[HIDDEN]
    assert registry.publisher.names() == [*["ModelPushed"] * 4, "ModelDeleted"]
    await registry.manifests.delete_tag(REPOSITORY, "v2")  # even a real deletion is not withdrawn unread
    await registry.reconciler.reconcile()
    assert len((await registry.documents.listing()).unreadable) == 1


async def test_a_rebuild_leaves_an_unreadable_document_alone(registry: RegistryUnits) -> None:
    key = ModelRef.parse(VERSIONS[1]).key
    registry.documents.spoil(key)
    registry.manifests.lose()
    assert await registry.reconciler.rebuild() == 0
    listing = await registry.documents.listing()
    assert listing.documents == ()
    assert [entry.key for entry in listing.unreadable] == [key]
