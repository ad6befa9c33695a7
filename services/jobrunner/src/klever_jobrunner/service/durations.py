"""Measures how long jobs wait and run, and traces them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from prometheus_client import CollectorRegistry

from klever_jobrunner.errors import JobError
from kleverkit.metrics import histogram, observe
from kleverproto.jobs import JobDocument, JobKind
from kleverproto.metrics import JOB_QUEUE, JOB_RUN

tracer = trace.get_tracer(__name__)

RESULTS = ("success", "failure", "error", "cancelled")
"""Results of attempts: a failure is due to the model, and an error is retried."""


class JobDurations:
    """The histograms of the times that jobs wait and run.

    Args:
        metrics: the registry of the service's metrics.
    """

    def __init__(self, metrics: CollectorRegistry) -> None:
        self._queue = histogram(JOB_QUEUE, metrics)
        self._run = histogram(JOB_RUN, metrics)
        for kind in JobKind:  # exported as 0, so that the first job is an increase
            self._queue.labels(kind)
            for result in RESULTS:
                self._run.labels(kind, result)

    def started(self, job: JobDocument) -> None:
        """Record the time in the queue at the first attempt; a retry includes earlier attempts and does not count."""
        if job.status.attempts <= 1 and job.status.started_at is not None:
            seconds = (job.status.started_at - job.created_at).total_seconds()
            observe(self._queue.labels(job.spec.kind), max(0.0, seconds))

    @contextmanager
    def running(self, job: JobDocument) -> Iterator[None]:
        """Measure and trace an attempt, which is the block."""
        success, failure, error, result = RESULTS
        began = time.perf_counter()
        attributes = {"klever.job": job.id, "klever.model": str(job.spec.ref), "oci.digest": job.spec.digest}
        try:
            with tracer.start_as_current_span(f"{job.spec.kind} model", attributes=attributes):
                yield
            result = success
        except JobError:
            result = failure
            raise
        except Exception:
            result = error
            raise
        finally:
            observe(self._run.labels(job.spec.kind, result), time.perf_counter() - began)
