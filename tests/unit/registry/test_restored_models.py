"""A version that the bucket has lost is restored as it was, and its push is not announced again."""

from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest

from klever_registry.adapters.memory import InMemoryCopies
from klever_registry.errors import StorageFullError
from klever_registry.service.extraction import Extractions
from kleverkit.errors import TransientError
from kleverproto.documents import Intent
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCompleted, JobKind, JobResult, JobSpec
from kleverproto.models import ModelDeleteRequested, ModelDocument
from kleverproto.references import ModelRef
from kleverproto.streams import MODELS
from support import oci_artifacts as oci
from support.golden_events import SCAN
from support.registry_units import ADDRESS, REPOSITORY, RegistryUnits

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
REF = ModelRef.parse(f"{REPOSITORY}:v1")


@pytest.fixture
async def registry(tmp_path: Path) -> RegistryUnits:
    """With one version that was announced longer ago than the server remembers ids."""
    units = RegistryUnits(tmp_path)
    await units.push("v1", MODEL)
    await reconciled(units)
    assert units.publisher.names() == ["ModelPushed"]
    units.publisher.drops_duplicates = False
    return units


async def reconciled(registry: RegistryUnits) -> None:
    await registry.reconciler.reconcile()
    await registry.work()


async def stored(registry: RegistryUnits) -> ModelDocument:
    document = await registry.document("v1")
    assert document is not None
    return document


async def scanned(registry: RegistryUnits, sequence: int = 7) -> None:
    """A job has scanned the version."""
    spec = JobSpec(kind=JobKind.SCAN, ref=REF, digest=MODEL.digest, registry=ADDRESS, format="ONNX")
    data = JobCompleted(id="job-1", spec=spec, result=JobResult(scan=SCAN))
    event = EventSource("jobrunner", registry.clock).event(data, event_id="completed-1")
    extractions = Extractions(
        records=registry.records,
        signatures=registry.signatures,
        external={},
        push_to_servable=registry.push_to_servable,
    )
    await extractions.record_result(event, Intent(sequence=sequence, event_id=event.id, correlation_id=event.id))


async def test_a_lost_bucket_is_restored_as_it_was_without_a_second_event(registry: RegistryUnits) -> None:
    await scanned(registry)
    before = await stored(registry)
    registry.lose_the_catalogue()
    await reconciled(registry)
    after = await stored(registry)
    assert after == before.replace(status=before.status.replace(scanned_by=None))
    assert after.status.scan == SCAN
    assert registry.publisher.names() == ["ModelPushed", "ModelUpdated"]


async def test_a_lost_store_is_announced_again_with_the_same_id(registry: RegistryUnits) -> None:
    before, (pushed,) = await stored(registry), registry.publisher.events
    registry.lose_the_store()
    await reconciled(registry)
    assert await stored(registry) == before
    assert [event.id for event in registry.publisher.events] == [pushed.id]


async def test_an_outcome_in_a_recreated_store_is_not_late(registry: RegistryUnits) -> None:
    await scanned(registry, sequence=1000)
    registry.lose_the_store()
    await reconciled(registry)
    await scanned(registry, sequence=1)
    scanned_by = (await stored(registry)).status.scanned_by
    assert scanned_by is not None
    assert scanned_by.sequence == 1


async def test_a_move_back_after_a_loss_is_a_new_event(registry: RegistryUnits) -> None:
    for artifact in (NEWER, MODEL, NEWER):
        registry.lose_the_catalogue()
        await registry.push("v1", artifact)
        await registry.work()
    document = await stored(registry)
    assert [entry.digest for entry in document.status.history] == [each.digest for each in [MODEL, NEWER] * 2]
    assert document.generation == 4
    assert [event.data.digest for event in registry.publisher.events] == [each.digest for each in [MODEL, NEWER] * 2]
    assert len({event.id for event in registry.publisher.events}) == 4


async def test_the_same_push_before_the_restoration_is_no_event(registry: RegistryUnits) -> None:
    before = await stored(registry)
    registry.lose_the_catalogue()
    await registry.push("v1", MODEL)
    await registry.work()
    assert await stored(registry) == before
    assert registry.publisher.names() == ["ModelPushed"]


async def test_an_outcome_before_the_restoration_is_recorded(registry: RegistryUnits) -> None:
    registry.lose_the_catalogue()
    await scanned(registry)
    assert (await stored(registry)).status.scan == SCAN


async def test_a_requested_deletion_before_the_restoration_is_carried_out(registry: RegistryUnits) -> None:
    document = await stored(registry)
    registry.lose_the_catalogue()
    await registry.deletions.handle_request(
        ModelDeleteRequested(
            ref=REF, digest=MODEL.digest, generation=document.generation, created_at=document.created_at
        )
    )
    await registry.work()
    assert await registry.versions() == []
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]


async def test_a_deletion_that_only_the_registry_knows_is_announced_once(registry: RegistryUnits) -> None:
    await registry.manifests.delete_tag(REPOSITORY, "v1")
    registry.publisher.failures = 1
    registry.lose_the_catalogue()
    await reconciled(registry)
    registry.lose_the_catalogue()
    await reconciled(registry)
    assert await registry.versions() == []
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]


async def test_an_announced_deletion_is_not_undone_by_a_loss(registry: RegistryUnits) -> None:
    await registry.distribution.delete(REPOSITORY, "v1")
    await registry.work()
    assert await registry.copies.all() == {}
    registry.lose_the_catalogue()
    await reconciled(registry)
    await registry.push("v1", MODEL)
    await registry.work()
    assert (await stored(registry)).generation == 1
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted", "ModelPushed"]


async def test_a_deletion_whose_copy_is_left_after_a_crash_is_announced_once(registry: RegistryUnits) -> None:
    left = await registry.copies.all()
    await registry.distribution.delete(REPOSITORY, "v1")
    await registry.work()
    await registry.copies.keep(REF.key, left[REF.key])
    registry.clock.now += timedelta(hours=1)
    registry.lose_the_catalogue()
    await reconciled(registry)
    assert await registry.versions() == []
    assert await registry.copies.all() == {}
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]


async def test_an_event_that_the_stream_has_is_not_repeated_after_the_server_has_forgotten_its_id(
    registry: RegistryUnits,
) -> None:
    document = await stored(registry)
    unmarked = document.replace(status=document.status.replace(announced_generation=0))
    marked = await registry.documents.get(REF.key)
    assert marked is not None
    unmarked = unmarked.replace(status=unmarked.status.replace(announced_sequence=None))
    await registry.documents.update(REF.key, unmarked, marked.revision)
    registry.begin()
    registry.clock.now += timedelta(hours=1)
    await reconciled(registry)
    assert registry.publisher.names() == ["ModelPushed"]
    assert (await stored(registry)).status.announced_generation == 1


async def test_an_event_that_has_expired_is_not_published_again(registry: RegistryUnits) -> None:
    registry.clock.now += MODELS.max_age + timedelta(hours=1)
    registry.lose_the_store()
    await reconciled(registry)
    assert registry.publisher.names() == []
    assert (await stored(registry)).status.announced_generation == 1
    await registry.push("v1", NEWER)
    await registry.work()
    assert registry.publisher.names() == ["ModelPushed"]


async def test_an_older_bucket_is_brought_up_to_date_without_new_events(registry: RegistryUnits) -> None:
    backup = deepcopy(registry.documents)
    await registry.push("v1", NEWER)
    await registry.work()
    await registry.reconciler.reconcile()
    newer = await stored(registry)
    registry.documents = backup
    registry.begin()
    await reconciled(registry)
    assert await stored(registry) == newer
    assert registry.publisher.names() == ["ModelPushed", "ModelPushed"]


async def test_a_version_without_a_copy_is_restored_from_the_registry_and_announced(registry: RegistryUnits) -> None:
    (pushed,) = registry.publisher.events
    await registry.copies.remove(REF.key)
    registry.lose_the_catalogue()
    await reconciled(registry)
    assert [event.data.digest for event in registry.publisher.events] == [MODEL.digest] * 2
    assert registry.publisher.events[1].id != pushed.id


async def test_copies_that_a_full_disk_refused_are_written_later(tmp_path: Path) -> None:
    class Full(InMemoryCopies[ModelDocument]):
        is_full = True

        async def keep(self, key: str, document: ModelDocument) -> None:
            if self.is_full:
                raise StorageFullError("the disk is full")
            await super().keep(key, document)

    units = RegistryUnits(tmp_path)
    units.copies = full = Full()
    units.begin()
    await reconciled(units)
    await units.push("v1", MODEL)
    await units.work()
    assert (units.publisher.names(), await full.all()) == (["ModelPushed"], {})
    full.is_full = False
    await reconciled(units)
    assert list(await full.all()) == [REF.key]


async def test_an_interrupted_restoration_is_resumed(registry: RegistryUnits) -> None:
    class Broken(InMemoryCopies[ModelDocument]):
        async def all(self) -> dict[str, ModelDocument]:
            raise TransientError("the disk does not answer")

    before = await stored(registry)
    copies, registry.copies = registry.copies, Broken()
    registry.lose_the_catalogue()
    with pytest.raises(TransientError):
        await registry.reconciler.reconcile()
    registry.copies = copies
    registry.begin()
    await reconciled(registry)
    assert await stored(registry) == before
    assert registry.publisher.names() == ["ModelPushed"]
