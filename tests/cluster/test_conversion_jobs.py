"""Conversions in pods of a real node: the images of this checkout, a registry of the host, and the jobrunner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import joblib
import nats
import pytest
from sklearn.linear_model import LogisticRegression

from klever_jobrunner.app import build
from klever_jobrunner.settings import JobrunnerSettings
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import run
from kleverkube.jobs import job_name
from kleverproto.conversions import Conversion
from kleverproto.envelope import EventSource, encode
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobRequested, JobSpec
from kleverproto.references import ModelRef
from kleverproto.streams import JOBS_BUCKET
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.cluster.cluster import Cluster
from support.container_images import platform_images as images_of
from support.processes import free_port
from support.registry_service import running_registry
from support.waiting import eventually

WITHIN = 300.0


@pytest.fixture(scope="session")
def job_images(own_cluster: Cluster, platform_images: dict[str, str]) -> dict[str, str]:
    """The jobrunner's setting `cluster_images`."""
    return platform_images | images_of.load(own_cluster, [images_of.JOBRUNNER_IMAGE])


@asynccontextmanager
async def running_jobrunner(**settings: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(run(build(JobrunnerSettings(**settings))))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def classifier(directory: Path) -> Path:
    """A model directory with a classifier of points."""
    (directory / "model").mkdir(parents=True)
    points = [[0.0, 0.0], [1.0, 1.0], [0.2, 0.1], [0.9, 0.8]]
    joblib.dump(LogisticRegression().fit(points, [0, 1, 0, 1]), directory / "model" / "model.joblib")
    (directory / "ormbfile.yaml").write_text("format: SKLearn\n")
    return directory


async def request_conversion(nats_url: str, spec: JobSpec) -> JobDocument:
    """Request a conversion and return the job once it has ended."""
    source, client = ClientSource(), await nats.connect(nats_url)
    source.set(client)
    event = EventSource("test").event(JobRequested(id=job_id(spec), spec=spec), event_id=f"convert-{job_id(spec)}")
    headers, body = encode(event)
    await client.jetstream().publish(event.nats_subject, body, headers=dict(headers))
    documents = NatsDocuments(source, JOBS_BUCKET, JobDocument)

    async def ended() -> JobDocument | None:
        stored = await documents.get(job_id(spec))
        return stored.document if stored and stored.document.status.phase.is_final else None

    try:
        job = await eventually(ended, within=WITHIN, every=0.5)
        assert job is not None
        return job
    finally:
        await client.close()


@pytest.mark.timeout(600)
async def test_model_is_converted_by_a_pod_and_pushed(
    own_cluster: Cluster, cluster_namespace: str, job_images: dict[str, str], nats_url: str, tmp_path: Path
) -> None:
    port = free_port()
    own_cluster.kubectl(
        *("label", "namespace", cluster_namespace, "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    )
    with own_cluster.expose(port) as address:
        async with (
            running_registry(tmp_path / "registry", nats_url, port=port, names=address) as registry,
            running_jobrunner(
                backend="kubernetes",
                nats_url=nats_url,
                work_dir=tmp_path / "jobrunner",
                kubeconfig=own_cluster.kubeconfig,
                cluster_namespace=cluster_namespace,
                cluster_registries={registry.address: f"http://{address}"},
                cluster_images=job_images,
                cluster_memory="2Gi",
                cluster_cpu="1",
            ),
            OrmbClient(tmp_path / "ormb") as client,
        ):
            reference = Reference(registry.address, "library/points", "v1")
            pushed = await client.push_directory(classifier(tmp_path / "points"), reference)
            spec = JobSpec(
                kind=JobKind.CONVERT,
                ref=ModelRef.parse("library/points:v1"),
                digest=pushed.digest,
                registry=registry.address,
                format="SKLearn",
                conversion=Conversion(to="ONNX"),
            )
            job = await request_conversion(nats_url, spec)
            assert job.status.result is not None, job.status.problem
            converted = job.status.result.converted
            assert converted is not None
            assert (converted.registry, converted.is_cached) == (registry.address, False)
            assert converted.record.verification.verified
            pulled = await client.pull_and_export(
                Reference(registry.address, "library/points", digest=converted.digest), tmp_path / "pulled"
            )
            assert pulled.format == "ONNX"
    pods = own_cluster.get("pods", "-n", cluster_namespace, "-l", f"klever.dev/job={job.id}")["items"]
    assert [each["status"]["phase"] for each in pods] == ["Succeeded"]
    assert pods[0]["metadata"]["ownerReferences"][0]["name"] == job_name(job.id, job.generation)
