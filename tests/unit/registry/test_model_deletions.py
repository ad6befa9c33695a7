"""One protocol for deletions: an interrupted one is completed, and nothing is deleted without a request."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from kleverkit.documents import Buried, Stored
from kleverkit.errors import TransientError
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed
from kleverproto.references import ModelRef
from support import oci_artifacts as oci
from support.bucket_contents import stored_in
from support.registry_units import REPOSITORY, RegistryUnits

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
REF = ModelRef.parse(f"{REPOSITORY}:v1")


@pytest.fixture
async def registry(tmp_path: Path) -> RegistryUnits:
    """A registry with one announced model."""
    units = RegistryUnits(tmp_path)
    await units.push("v1", MODEL)
    await units.work()
    assert units.publisher.names() == ["ModelPushed"]
    return units


async def buried(registry: RegistryUnits) -> Tombstone[ModelDocument]:
    stored = await registry.documents.find(REF.key)
    assert isinstance(stored, Buried)
    return stored.tombstone


async def recovered(registry: RegistryUnits) -> None:
    """Restart after a crash, and recover."""
    registry.begin()
    await registry.reconciler.reconcile()
    await registry.work()


async def test_a_deletion_leaves_a_tombstone_that_is_removed_later(registry: RegistryUnits) -> None:
    await registry.distribution.delete(REPOSITORY, "v1")
    await registry.work()
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]
    assert (await buried(registry)).announced
    await registry.reconciler.reconcile()
    assert (await buried(registry)).announced
    registry.clock.now += timedelta(hours=2)
    await registry.reconciler.reconcile()
    assert await registry.documents.find(REF.key) is None
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]


async def test_a_crash_before_the_tombstone_is_repaired(registry: RegistryUnits) -> None:
    await registry.manifests.delete_tag(REPOSITORY, "v1")
    await recovered(registry)
    assert registry.publisher.data()[1:] == [ModelDeleted(ref=REF, digest=MODEL.digest)]
    assert (await buried(registry)).announced


async def test_a_crash_between_the_tombstone_and_its_event_is_repaired(registry: RegistryUnits) -> None:
    await registry.manifests.delete_tag(REPOSITORY, "v1")
    (stored,) = await stored_in(registry.documents)
    registry.publisher.failures = 1
    with pytest.raises(TransientError):
        await registry.records.withdraw(stored)
    assert not (await buried(registry)).announced
    await recovered(registry)
    assert registry.publisher.data()[1:] == [ModelDeleted(ref=REF, digest=MODEL.digest)]
    assert (await buried(registry)).announced


async def test_a_crash_after_the_event_repeats_it_under_the_same_id(registry: RegistryUnits) -> None:
    await registry.manifests.delete_tag(REPOSITORY, "v1")
    (stored,) = await stored_in(registry.documents)
    await registry.records.withdraw(stored)
    entry = await registry.documents.find(REF.key)
    assert isinstance(entry, Buried)
    unsaid = entry.tombstone.model_copy(update={"announced": False})
    await registry.documents.bury(REF.key, unsaid, entry.revision)
    await recovered(registry)
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]  # the second one had the same id
    assert (await buried(registry)).announced


@pytest.mark.parametrize("failures", [0, 1])
@pytest.mark.parametrize("artifact", [MODEL, NEWER])
async def test_a_tag_pushed_again_during_its_deletion_exists_at_the_end(
    registry: RegistryUnits, artifact: oci.Artifact, failures: int
) -> None:
    await registry.distribution.delete(REPOSITORY, "v1")
    (stored,) = await stored_in(registry.documents)
    registry.publisher.failures = failures
    with suppress(TransientError):
        await registry.records.withdraw(stored)
    await registry.push("v1", artifact)
    await registry.work()
    document = await registry.document("v1")
    assert document is not None
    assert document.spec.digest == artifact.digest
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted", "ModelPushed"]
    await recovered(registry)
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted", "ModelPushed"]
    assert await registry.versions() == [str(REF)]


async def test_a_push_over_an_unannounced_tombstone_is_announced_after_the_deletion(
    registry: RegistryUnits,
) -> None:
    await registry.distribution.delete(REPOSITORY, "v1")
    (stored,) = await stored_in(registry.documents)
    registry.publisher.failures = 1
    with pytest.raises(TransientError):
        await registry.records.withdraw(stored)
    await registry.push("v1", MODEL)
    await recovered(registry)
    assert [type(data) for data in registry.publisher.data()] == [ModelPushed, ModelDeleted, ModelPushed]
    assert await registry.versions() == [str(REF)]


async def test_a_document_that_changed_since_it_was_read_is_not_withdrawn(registry: RegistryUnits) -> None:
    (stored,) = await stored_in(registry.documents)
    await registry.push("v1", NEWER)
    await registry.work()
    await registry.records.withdraw(stored)
    assert await registry.versions() == [str(REF)]
    assert registry.publisher.names() == ["ModelPushed", "ModelPushed"]


async def test_an_image_pushed_over_a_model_withdraws_it_by_the_same_protocol(registry: RegistryUnits) -> None:
    await registry.push("v1", oci.image())
    await registry.work()
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]
    assert (await buried(registry)).announced


async def test_a_rebuild_announces_again_without_removing_a_version(
    registry: RegistryUnits,
) -> None:
    changes = registry.documents.changes()
    await anext(changes)
    assert await registry.reconciler.rebuild() == 1
    await registry.work()
    assert registry.publisher.names() == ["ModelPushed", "ModelPushed"]
    assert len({event.id for event in registry.publisher.events}) == 2
    change = await anext(changes)
    assert not isinstance(change, Stored)
    assert getattr(change, "document", None) is not None
    await changes.aclose()
