"""Handling a request for another policy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from klever_registry.adapters.local import LocalCopies
from klever_registry.adapters.local.disk import Disk
from klever_registry.adapters.memory import InMemoryCopies, InMemoryLocks
from klever_registry.errors import StorageFullError
from klever_registry.service.policies import Policies
from kleverkit.errors import TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.conversions import Quantization
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import Event, EventSource
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectPolicyChanged, ProjectPolicyRequested
from support.bucket_contents import stored_in

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TO_ONNX = ProjectPolicy(convert=("ONNX",))
WARN = ProjectPolicy(scan=OnUnsafe.WARN)


class Broken(RecordingPublisher):
    """Fails every write."""

    async def publish(self, event: Event[ProjectPolicyChanged]) -> None:
        raise TransientError(f"{event.type} could not be stored: NATS is away")


class World:
    """The registry's policies over documents in memory."""

    def __init__(self) -> None:
        self.documents, self.publisher = InMemoryDocuments[ProjectDocument](), RecordingPublisher()
        self.copies: InMemoryCopies[ProjectDocument] | LocalCopies[ProjectDocument] = InMemoryCopies()
        self.policies = self.over(self.publisher)

    def over(self, publisher: RecordingPublisher) -> Policies:
        return Policies(self.documents, publisher, EventSource("registry"), lambda: NOW, self.copies, InMemoryLocks())

    def lose_the_bucket(self) -> None:
        self.documents = InMemoryDocuments()
        self.policies = self.over(self.publisher)

    async def ask(self, policy: ProjectPolicy, sequence: int = 1, *, on: Policies | None = None) -> ProjectDocument:
        """Request a policy for `library`. Return the document afterwards."""
        event = EventSource("gateway", lambda: NOW + timedelta(minutes=sequence)).event(
            ProjectPolicyRequested(project="library", policy=policy), event_id=f"event-{sequence}"
        )
        intent = Intent(sequence=sequence, event_id=event.id, correlation_id=event.id)
        await (on or self.policies).handle_request(event, intent)
        return await self.document()

    async def document(self) -> ProjectDocument:
        (stored,) = await stored_in(self.documents)
        return stored.document


async def test_a_policy_is_stored_and_published() -> None:
    world = World()
    document = await world.ask(TO_ONNX)
    assert (document.spec.policy, document.generation) == (TO_ONNX, 1)
    assert world.publisher.data() == [ProjectPolicyChanged(project="library", policy=TO_ONNX)]


async def test_a_changed_policy_is_a_new_generation_and_an_equal_one_is_not() -> None:
    world = World()
    await world.ask(TO_ONNX)
    assert (await world.ask(TO_ONNX, 2)).generation == 1
    assert (await world.ask(ProjectPolicy(), 3)).generation == 2


async def test_a_request_handled_after_a_later_one_changes_nothing() -> None:
    world = World()
    await world.ask(TO_ONNX, 2)
    document = await world.ask(WARN, 1)
    assert (document.spec.policy, document.generation) == (TO_ONNX, 1)
    assert world.publisher.data() == [ProjectPolicyChanged(project="library", policy=TO_ONNX)]


async def test_the_order_applies_even_if_the_later_request_changes_nothing() -> None:
    world = World()
    await world.ask(TO_ONNX, 1)
    await world.ask(TO_ONNX, 3)
    assert (await world.ask(WARN, 2)).spec.policy == TO_ONNX


async def test_a_request_whose_event_was_not_published_is_published_on_redelivery() -> None:
    world = World()
    with pytest.raises(TransientError):
        await world.ask(TO_ONNX, on=world.over(Broken()))
    await world.ask(TO_ONNX)
    assert world.publisher.data() == [ProjectPolicyChanged(project="library", policy=TO_ONNX)]


async def test_each_format_keeps_the_time_of_its_first_request() -> None:
    world = World()

    async def since(policy: ProjectPolicy, sequence: int) -> dict[str, int]:
        times = (await world.ask(policy, sequence)).status.converts_since
        return {name: (moment - NOW) // timedelta(minutes=1) for name, moment in times.items()}

    both = ProjectPolicy(convert=("ONNX", "OpenVINO"))
    assert await since(TO_ONNX, 1) == {"ONNX": 1}
    assert await since(both.model_copy(update={"scan": OnUnsafe.WARN}), 2) == {"ONNX": 1, "OpenVINO": 2}
    world.lose_the_bucket()
    await world.policies.restore()
    assert await since(both, 3) == {"ONNX": 1, "OpenVINO": 2}
    assert await since(both.model_copy(update={"quantize": Quantization.INT8}), 4) == {"ONNX": 4, "OpenVINO": 4}
    assert await since(WARN, 5) == {}
    assert await since(TO_ONNX, 6) == {"ONNX": 6}


async def test_policies_are_restored_from_their_copies_after_a_bucket_loss() -> None:
    world = World()
    await world.ask(WARN)
    before = await world.ask(TO_ONNX, 400)
    world.lose_the_bucket()
    await world.policies.restore()
    after = await world.document()
    assert (after.spec, after.generation) == (before.spec, before.generation)
    assert (await world.ask(WARN, 1)).spec.policy == WARN  # the stream counts from 1 again


async def test_a_policy_accepted_after_the_loss_is_not_overwritten_by_the_copies() -> None:
    world = World()
    await world.ask(TO_ONNX, 400)
    world.lose_the_bucket()
    await world.ask(WARN, 1)
    await world.policies.restore()
    assert (await world.document()).spec.policy == WARN


async def test_a_bucket_from_a_backup_yields_to_newer_copies() -> None:
    world = World()
    old = await world.ask(WARN, 1)
    new = await world.ask(TO_ONNX, 2)
    (stored,) = await stored_in(world.documents)
    await world.documents.update(stored.key, old, stored.revision)
    await world.policies.restore()
    assert (await world.document()).spec == new.spec
    assert (await world.ask(WARN, 2)).spec.policy == WARN  # the stream is from the backup too


async def test_copies_from_a_backup_yield_to_a_newer_bucket() -> None:
    world = World()
    old = await world.ask(WARN, 1)
    new = await world.ask(TO_ONNX, 2)
    await world.copies.keep("library", old)
    await world.policies.restore()
    assert await world.document() == new
    assert await world.copies.all() == {"library": new}


async def test_a_deleted_policy_stays_deleted() -> None:
    world = World()
    await world.ask(TO_ONNX)
    (stored,) = await stored_in(world.documents)
    await world.documents.bury(stored.key, Tombstone(deleted_at=NOW, announced=True), stored.revision)
    await world.policies.restore()
    assert await stored_in(world.documents) == []


async def test_a_policy_without_a_copy_gets_one(tmp_path: Path) -> None:
    world = World()
    document = await world.ask(TO_ONNX)
    world.copies = LocalCopies(
        Disk(tmp_path), tmp_path / "projects", ProjectDocument, lambda document: document.spec.name
    )
    world.policies = world.over(world.publisher)
    await world.policies.restore()
    assert await world.copies.all() == {"library": document}


async def test_a_policy_is_accepted_on_a_full_disk_and_copied_later() -> None:
    class Full(InMemoryCopies[ProjectDocument]):
        """Fails every write until a test ends the failure."""

        is_full = True

        async def keep(self, key: str, document: ProjectDocument) -> None:
            if self.is_full:
                raise StorageFullError("the disk is full")
            await super().keep(key, document)

    world = World()
    world.copies = full = Full()
    world.policies = world.over(world.publisher)
    document = await world.ask(TO_ONNX)
    assert world.publisher.data() == [ProjectPolicyChanged(project="library", policy=TO_ONNX)]
    full.is_full = False
    await world.policies.restore()
    assert await full.all() == {"library": document}


async def test_the_copy_is_written_before_the_policy_is_visible() -> None:
    world = World()

    class Watched(InMemoryDocuments[ProjectDocument]):
        """Checks that the copy exists when the policy is stored."""

        async def update(self, key: str, document: ProjectDocument, revision: int) -> int:
            assert (await world.copies.all())[key] == document
            return await super().update(key, document, revision)

    world.documents = Watched()
    world.policies = world.over(world.publisher)
    assert (await world.ask(TO_ONNX)).spec.policy == TO_ONNX


async def test_an_unreadable_project_is_left_alone_and_delays_no_other() -> None:
    world = World()
    document = await world.ask(TO_ONNX)
    await world.policies.restore()
    world.lose_the_bucket()
    world.documents.spoil("broken")
    await world.policies.restore()
    listing = await world.documents.listing()
    assert [stored.document.spec for stored in listing.documents] == [document.spec]
    assert [entry.key for entry in listing.unreadable] == ["broken"]
