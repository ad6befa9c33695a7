"""The state of models, jobs and servings as metrics, from the projection (docs/adr/0046)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from prometheus_client import CollectorRegistry

from kleverkit.metrics import gauge, replace_samples
from kleverproto import metrics
from kleverproto.jobs import JobKind, JobPhase
from kleverproto.models import ExtractionPhase
from kleverproto.servings import ServingDocument, ServingPhase

from .domain import figures
from .domain.queries import Query
from .domain.rows import Collection
from .ports import Projection

Labels = tuple[str, ...]
Figure = Callable[[ServingDocument], Iterator[tuple[Labels, float]]]

MAX_SERVINGS = 10_000
"""Number of servings with metrics of their own."""


@dataclass(frozen=True)
class Counted:
    """A gauge that counts the documents of a collection by the columns that are its labels.

    Attributes:
        collection: the collection.
        spec: the gauge.
        values: the values of each label, which are exported also if there are no such documents.
    """

    collection: Collection
    spec: metrics.MetricSpec
    values: Sequence[Sequence[str]]


COUNTED = (
    Counted(Collection.MODELS, metrics.MODELS, [[*ExtractionPhase]]),
    Counted(Collection.JOBS, metrics.JOBS, [[*JobKind], [*JobPhase]]),
    Counted(Collection.SERVINGS, metrics.SERVINGS, [[*ServingPhase]]),
)


class StateMetrics:
    """The gauges of documents. A collection that was never read is not exported.

    Args:
        registry: the registry of the service's metrics.
        projection: the documents.
    """

    def __init__(self, registry: CollectorRegistry, projection: Projection) -> None:
        self._projection = projection
        self._counts = [(counted, gauge(counted.spec, registry)) for counted in COUNTED]
        by_serving: dict[metrics.MetricSpec, Figure] = {
            metrics.SERVING_PHASE: figures.phase,
            metrics.REPLICAS_DESIRED: figures.replicas_desired,
            metrics.REPLICAS_READY: figures.replicas_ready,
            metrics.RESTARTS: figures.restarts,
            metrics.TRAFFIC_WEIGHT: figures.traffic_weight,
            metrics.ROLLOUT_STEP: figures.rollout_step,
        }
        self._by_serving = [(figure, gauge(spec, registry)) for spec, figure in by_serving.items()]

    async def refresh(self) -> None:
        """Read the documents. Raises TransientError; nothing is exported then."""
        for _, measured in (*self._counts, *self._by_serving):
            measured.clear()
        for counted, measured in self._counts:
            if await self._projection.is_loaded(counted.collection):
                counts = await self._projection.counts(counted.collection, *counted.spec.labels)
                replace_samples(measured, dict.fromkeys(product(*counted.values), 0) | counts)
        await self._refresh_servings()

    async def _refresh_servings(self) -> None:
        page = await self._projection.find(Collection.SERVINGS, Query(limit=MAX_SERVINGS))
        servings = [ServingDocument.model_validate_json(body) for body in page.bodies]
        for figure, measured in self._by_serving:
            replace_samples(measured, dict(each for serving in servings for each in figure(serving)))
