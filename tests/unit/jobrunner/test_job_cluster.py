"""Jobs as the watch and the API server report them."""

from typing import Any

import pytest

from klever_jobrunner.adapters.kubernetes.cluster import JobCluster
from klever_jobrunner.adapters.kubernetes.pod_jobs import PodJobs, Progress
from klever_jobrunner.errors import WORKER_DIED, JobError
from kleverkube.jobs import GENERATION, JOB, render_job
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import Resource
from kleverkubeclient.watched import object_name
from support.job_benches import nobody_trusted
from support.model_jobs import job_options, model_job


class Reads(KubernetesApi):
    """An API server that has one object, or none."""

    def __init__(self, stored: Manifest | None) -> None:
        super().__init__()
        self._stored = stored

    async def read(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        del resource, namespace, name
        return self._stored


def job(uid: str, **labels: str) -> Manifest:
    rendered = render_job(model_job(), job_options())
    metadata: dict[str, Any] = rendered["metadata"]
    return {**rendered, "metadata": {**metadata, "uid": uid, "labels": {**metadata["labels"], **labels}}}


def cluster(watched: Manifest | None, stored: Manifest | None = None) -> JobCluster:
    """A cluster whose watch has reported one Job, or none."""
    cluster = JobCluster(job_options())
    cluster.api = Reads(stored)
    if watched is not None:
        cluster.jobs.objects[object_name(watched)] = watched
    return cluster


async def look(cluster: JobCluster, followed: Manifest) -> None:
    await Progress(PodJobs(cluster, nobody_trusted, patience=60.0), followed, print).look()


@pytest.mark.parametrize("watched", [None, job("another")], ids=["absent", "replaced"])
@pytest.mark.parametrize("stored", [None, job("another")], ids=["absent", "replaced"])
async def test_job_that_is_gone_or_replaced_is_deleted(watched: Manifest | None, stored: Manifest | None) -> None:
    with pytest.raises(JobError, match="was deleted on the cluster") as failure:
        await look(cluster(watched, stored), job("followed"))
    assert failure.value.code == WORKER_DIED


@pytest.mark.parametrize("watched", [None, job("another")], ids=["absent", "replaced"])
async def test_job_that_the_watch_has_not_reported_is_read(watched: Manifest | None) -> None:
    await look(cluster(watched, job("followed")), job("followed"))


def test_run_has_the_id_of_its_job_and_the_generation() -> None:
    [run] = cluster(job("uid")).runs()
    assert (run.job, run.generation, run.is_active) == (model_job().id, model_job().generation, True)


@pytest.mark.parametrize("labels", [{JOB: ""}, {GENERATION: ""}, {GENERATION: "first"}])
def test_job_with_other_labels_is_no_run(labels: dict[str, str]) -> None:
    assert not cluster(job("uid", **labels)).runs()
