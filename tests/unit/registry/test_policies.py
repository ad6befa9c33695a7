"""What becomes of a request for another policy."""

from datetime import UTC, datetime

from klever_registry.service.policies import Policies
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.envelope import EventSource
from kleverproto.projects import ProjectDocument, ProjectPolicy, ProjectPolicyChanged, ProjectPolicyRequested

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TO_ONNX = ProjectPolicy(convert=("ONNX",))


class World:
    """The registry's policies over documents in memory."""

    def __init__(self) -> None:
        self.documents, self.publisher = InMemoryDocuments[ProjectDocument](), RecordingPublisher()
        self.policies = Policies(self.documents, self.publisher, EventSource("registry"), lambda: NOW)

    async def ask(self, policy: ProjectPolicy, event_id: str = "event-1") -> ProjectDocument:
        """Request a policy for `library`; the document afterwards."""
        data = ProjectPolicyRequested(project="library", policy=policy)
        await self.policies.requested(EventSource("gateway").event(data, event_id=event_id))
        (stored,) = await self.documents.all()
        return stored.document


async def test_a_policy_is_kept_and_told() -> None:
    world = World()
    document = await world.ask(TO_ONNX)
    assert (document.spec.policy, document.generation) == (TO_ONNX, 1)
    assert world.publisher.data() == [ProjectPolicyChanged(project="library", policy=TO_ONNX)]


async def test_another_policy_is_a_new_generation_and_the_same_is_none() -> None:
    world = World()
    await world.ask(TO_ONNX)
    assert (await world.ask(TO_ONNX, "event-2")).generation == 1
    assert (await world.ask(ProjectPolicy(), "event-3")).generation == 2
