"""The jobrunner's own metrics."""

from collections import Counter
from itertools import product

from prometheus_client import CollectorRegistry

from kleverkit.metrics import gauge, replace_samples
from kleverproto.jobs import JobKind, JobPhase
from kleverproto.metrics import JOBS_UNFINISHED, JOBS_UNREADABLE

from .service.deletions import Deletions
from .service.monitor import JobMonitor


class JobMetrics:
    """The gauges of jobs.

    Args:
        registry: the registry of the service's metrics.
        deletions: counts jobs that cannot be read.
        monitor: the jobs that have not ended.
    """

    def __init__(self, registry: CollectorRegistry, deletions: Deletions, monitor: JobMonitor) -> None:
        self._monitor = monitor
        self._unfinished = gauge(JOBS_UNFINISHED, registry)
        gauge(JOBS_UNREADABLE, registry).set_function(lambda: len(deletions.unreadable))

    async def refresh(self) -> None:
        """Count the jobs that have not ended."""
        jobs = [sighting.document for sighting in self._monitor.unfinished()]
        counts = Counter((str(job.spec.kind), str(job.status.phase)) for job in jobs)
        phases = [phase for phase in JobPhase if not phase.is_final]
        every = product(map(str, JobKind), map(str, phases))
        replace_samples(self._unfinished, {labels: counts[labels] for labels in every})
