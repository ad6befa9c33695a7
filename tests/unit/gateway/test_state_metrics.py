"""The state of documents as metrics."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.domain.rows import Collection, serving_row
from klever_gateway.metrics import StateMetrics
from kleverkit.documents import Incarnation
from kleverproto.rollouts import RolloutPhase, RolloutStatus, RolloutStep
from kleverproto.servings import ServingPhase, VariantStatus
from support.gateway import NOW, serving_document

DIGEST = "sha256:" + "a" * 64
STATUS = RolloutStatus(
    generation=2,
    strategy="canary",
    phase=RolloutPhase.PROGRESSING,
    since=NOW,
    steps=(RolloutStep(weight=10, at=NOW, message=""), RolloutStep(weight=50, at=NOW + timedelta(1), message="")),
)


def variant(name: str, revision: str, **values: int) -> VariantStatus:
    return VariantStatus(name=name, model="demo/iris:v1", digest=DIGEST, revision=revision, **values)


async def test_nothing_is_exported_of_collections_that_were_never_read() -> None:
    registry = CollectorRegistry()
    await StateMetrics(registry, InMemoryProjection()).refresh()
    assert [sample for family in registry.collect() for sample in family.samples] == []


async def test_servings_are_exported_by_phase_variant_and_revision_until_they_are_gone() -> None:
    registry, projection = CollectorRegistry(), InMemoryProjection()
    variants = (
        variant("main", "r1", replicas=2, ready_replicas=1, restarts=3, weight=90),
        variant("main", "r2", replicas=1, ready_replicas=1, weight=10),
    )
    iris = serving_document("iris", phase=ServingPhase.READY, variants=variants, rollout=STATUS)
    rows = [serving_row("iris", 1, iris), serving_row("other", 2, serving_document("other", phase=ServingPhase.FAILED))]
    await projection.replace(Collection.SERVINGS, rows, Incarnation(NOW, 2))
    metrics = StateMetrics(registry, projection)
    await metrics.refresh()
    value, name = registry.get_sample_value, {"namespace": "default", "serving": "iris"}
    first, second = name | {"variant": "main", "revision": "r1"}, name | {"variant": "main", "revision": "r2"}
    assert value("klever_servings", {"phase": "Ready"}) == 1
    assert value("klever_servings", {"phase": "Pending"}) == 0
    assert value("klever_serving_phase", name | {"phase": "Ready"}) == 1
    assert value("klever_serving_replicas_desired", first) == 2
    assert value("klever_serving_replicas_ready", first) == 1
    assert value("klever_serving_restarts", first) == 3
    assert value("klever_serving_traffic_weight_ratio", first) == 0.9
    assert value("klever_serving_traffic_weight_ratio", second) == 0.1
    assert value("klever_serving_rollout_step", name | {"phase": "Progressing"}) == 2
    await projection.replace(Collection.SERVINGS, rows[1:], Incarnation(NOW, 3))
    await metrics.refresh()
    assert value("klever_serving_phase", name | {"phase": "Ready"}) is None
    assert value("klever_servings", {"phase": "Ready"}) == 0
