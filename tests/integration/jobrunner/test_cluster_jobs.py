"""Jobs on a real API server with the controller of Jobs; the node is played."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from kubernetes_asyncio.client import CoreV1Api, V1Namespace, V1ObjectMeta

from klever_jobrunner.errors import NOT_STARTED, OUT_OF_MEMORY, TIMED_OUT, UNSUPPORTED_HERE, WORKER_DIED, JobError
from klever_jobrunner.service.ledger import Ledger
from klever_jobrunner.service.remote_cleanup import RemoteCleanup
from kleverkit.errors import TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverkube.job_containers import RUN
from kleverkube.jobs import JOB, job_name
from kleverkube.manifest import Manifest
from kleverkubeclient.resources import NETWORK_POLICIES
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobPhase
from support.job_benches import RESULT, OnCluster, job, without_pods
from support.jobs import NOW, Runner, request
from support.played_jobs import Ending
from support.waiting import eventually

T = TypeVar("T")
pytestmark = pytest.mark.api_server


@pytest.fixture
async def bench(kubeconfig: Path) -> AsyncIterator[OnCluster]:
    async with OnCluster(kubeconfig).running() as bench:
        yield bench


async def stored(bench: OnCluster, document: JobDocument) -> Manifest | None:
    return await bench.cluster.read(job_name(document.id, document.generation))


@asynccontextmanager
async def held(bench: OnCluster, document: JobDocument, lines: list[str]) -> AsyncIterator["asyncio.Task[Any]"]:
    """An attempt whose container runs until `gate` is set."""
    bench.gate.clear()
    bench.outcomes += [RESULT]
    attempt = asyncio.create_task(bench.operation.run_job(document, Path("unused"), lines.append))
    await bench.begun.wait()
    yield attempt
    bench.gate.set()
    await asyncio.gather(attempt, return_exceptions=True)


def pods_of(bench: OnCluster, document: JobDocument) -> list[Manifest]:
    pods = bench.cluster.pods.objects.values()
    return [each for each in pods if each["metadata"]["labels"][JOB] == document.id]


async def until(condition: Callable[[], T]) -> T:
    """Wait until a condition holds, and return its result."""

    async def holds() -> T:
        return condition()

    value = await eventually(holds, within=20)
    assert value
    return value


def ends_with(bench: OnCluster, ending: Ending, container: str = RUN) -> None:
    """Let a container exit in this way."""

    async def script(_pod: Manifest, name: str) -> Ending:
        return ending if name == container else Ending()

    bench.played.script = script


async def test_containers_run_in_order_and_their_lines_are_the_log_of_the_job(bench: OnCluster, tmp_path: Path) -> None:
    lines: list[str] = []
    bench.outcomes += [RESULT]
    await bench.operation.run_job(job(), tmp_path, lines.append)
    assert bench.played.played == ["ormb-storage-initializer", "run"]
    assert [each for each in lines if not each.startswith(("Job ", "pod "))] == [
        "the model is in /mnt/source",
        "parsing",
    ]


async def test_finished_job_is_kept_with_its_log_for_a_time(bench: OnCluster, tmp_path: Path) -> None:
    document = job()
    bench.outcomes += [RESULT]
    await bench.operation.run_job(document, tmp_path, print)
    kept = await stored(bench, document)
    assert kept is not None
    assert kept["spec"]["ttlSecondsAfterFinished"] == 3600
    assert await bench.cluster.api.read(NETWORK_POLICIES, "default", kept["metadata"]["name"]) is not None


async def test_two_attempts_follow_one_job(bench: OnCluster, tmp_path: Path) -> None:
    document, lines = job(), list[str]()
    async with held(bench, document, lines) as first:
        second = asyncio.create_task(bench.operation.run_job(document, tmp_path, lines.append))
        await until(lambda: any("exists" in line for line in lines))
        bench.gate.set()
        assert list(await asyncio.gather(first, second)) == [RESULT, RESULT]
    assert bench.played.played.count(RUN) == 1


async def test_job_that_somebody_deletes_is_a_failure(bench: OnCluster) -> None:
    document = job()
    async with held(bench, document, []) as attempt:
        await bench.cluster.delete(job_name(document.id, 1))
        with pytest.raises(JobError, match="was deleted on the cluster") as failure:
            await attempt
    assert failure.value.code == WORKER_DIED


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: memory."}, "evicted: The node was low"),
        (
            {
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "preempted by a pod of a higher priority",
                    }
                ]
            },
            "PreemptionByScheduler.*preempted",
        ),
    ],
)
async def test_interrupted_pod_is_a_transient_failure_and_its_job_is_replaced(
    bench: OnCluster, tmp_path: Path, status: Manifest, says: str
) -> None:
    document = job()
    async with held(bench, document, []) as attempt:
        [pod] = await until(lambda: pods_of(bench, document))
        await bench.played.report(pod, phase="Failed", **status)
        with pytest.raises(TransientError, match=says):
            await attempt
    bench.outcomes[:] = [RESULT]
    assert await bench.operation.run_job(document, tmp_path, print) == RESULT


async def test_container_that_uses_too_much_memory_is_named_with_its_limit(bench: OnCluster, tmp_path: Path) -> None:
    ends_with(bench, Ending(137, reason="OOMKilled"))
    with pytest.raises(JobError, match=r"run was killed because it used more than 8Gi.*CLUSTER_MEMORY") as failure:
        await bench.operation.run_job(job(), tmp_path, print)
    assert failure.value.code == OUT_OF_MEMORY


async def test_job_that_takes_too_long_is_a_failure(kubeconfig: Path) -> None:
    document = job()
    async with OnCluster(kubeconfig, deadline_seconds=2).running() as bench, held(bench, document, []) as attempt:
        with pytest.raises(JobError, match="longer than 2 s: increase KLEVER_JOBRUNNER_CLUSTER_DEADLINE") as failure:
            await attempt
    assert failure.value.code == TIMED_OUT


async def test_pod_that_no_node_can_run_is_a_failure_with_the_reason(kubeconfig: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    document = job()
    async with OnCluster(kubeconfig, patience=0.5).running() as bench:
        bench.played.is_schedulable = False
        with pytest.raises(JobError, match="no node can run it: 0/1 nodes are available") as failure:
            await bench.operation.run_job(document, tmp_path, lines.append)
        assert failure.value.code == NOT_STARTED
        assert [line for line in lines if line.startswith("waiting: no node")]

        async def is_gone() -> bool:
            return await stored(bench, document) is None

        await eventually(is_gone, within=20)


async def test_image_that_cannot_be_pulled_is_a_failure_with_the_reason(kubeconfig: Path, tmp_path: Path) -> None:
    async with OnCluster(kubeconfig, patience=0.5).running() as bench:
        bench.played.is_idle = True
        attempt = asyncio.create_task(bench.operation.run_job(document := job(), tmp_path, print))
        [pod] = await until(lambda: pods_of(bench, document))
        state = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
        status = {"name": RUN, "image": "klever.test/absent:1", "imageID": "", "ready": False, "restartCount": 0}
        await bench.played.report(pod, containerStatuses=[{**status, "state": state}])
        with pytest.raises(JobError, match=r"the image klever\.test/absent:1 cannot be pulled: not found"):
            await attempt


async def test_pod_that_a_quota_refuses_is_a_failure_with_the_reason(kubeconfig: Path, tmp_path: Path) -> None:
    async with OnCluster(kubeconfig, patience=0.5, namespace="limited").running() as bench:
        core = CoreV1Api(bench.client)
        await core.create_namespace(V1Namespace(metadata=V1ObjectMeta(name="limited")))
        async with without_pods(bench.client, "limited"):
            with pytest.raises(JobError, match=r"has created no pod: .*exceeded quota: none"):
                await bench.operation.run_job(job(), tmp_path, print)


async def test_namespace_that_does_not_exist_is_a_failure_with_the_remedy(kubeconfig: Path, tmp_path: Path) -> None:
    async with OnCluster(kubeconfig, namespace="nowhere").running() as bench:
        with pytest.raises(JobError, match="kubectl create namespace") as failure:
            await bench.operation.run_job(job(), tmp_path, print)
    assert failure.value.code == UNSUPPORTED_HERE


async def test_job_whose_pod_is_gone_with_the_result_runs_again(bench: OnCluster, tmp_path: Path) -> None:
    document = job()
    bench.outcomes += [RESULT, RESULT]
    await bench.operation.run_job(document, tmp_path, print)
    pods = await CoreV1Api(bench.client).list_namespaced_pod("default", label_selector=f"klever.dev/job={document.id}")
    await CoreV1Api(bench.client).delete_namespaced_pod(pods.items[0].metadata.name, "default", grace_period_seconds=0)
    await until(lambda: not pods_of(bench, document))
    with pytest.raises(TransientError, match="log with the result is gone"):
        await bench.operation.run_job(document, tmp_path, print)
    assert await bench.operation.run_job(document, tmp_path, print) == RESULT


async def test_cancelled_job_is_removed_from_the_cluster(bench: OnCluster, tmp_path: Path) -> None:
    runner = Runner(tmp_path, operations={request().spec.kind: bench.operation})
    runner.follow()
    ledger = Ledger(runner.documents, runner.publisher, EventSource("jobrunner"), lambda: NOW)
    cleanup = asyncio.create_task(RemoteCleanup(ledger, runner.monitor, bench.cluster, pause=0.5).run())
    bench.gate.clear()
    bench.outcomes += [RESULT]
    name = job().id
    running = runner.start(request(1, job=name))
    await bench.begun.wait()
    await runner.cancel(2, job=name)
    await running

    async def is_gone() -> bool:
        return await bench.cluster.read(job_name(name, 1)) is None

    await eventually(is_gone, within=20)
    assert await runner.phase(name) is JobPhase.CANCELLED
    cleanup.cancel()
    await asyncio.gather(cleanup, return_exceptions=True)
    await runner.kill()


async def test_restarted_jobrunner_adopts_the_job_that_runs(bench: OnCluster, tmp_path: Path) -> None:
    documents, publisher, name = InMemoryDocuments[JobDocument](), RecordingPublisher(), job().id
    bench.gate.clear()
    bench.outcomes += [RESULT]
    first = Runner(tmp_path, documents, publisher, operations={request().spec.kind: bench.operation})
    running = first.start(request(1, job=name))
    await bench.begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bench.restart()
    second = Runner(tmp_path, documents, publisher, operations={request().spec.kind: bench.operation})
    resumed = second.start(request(1, job=name))
    bench.gate.set()
    await resumed
    assert (await second.job(name)).status.result == RESULT
    assert (bench.played.played.count(RUN), second.published().count("JobCompleted")) == (1, 1)


async def test_objects_are_accepted_where_pods_are_restricted(kubeconfig: Path, tmp_path: Path) -> None:
    async with OnCluster(kubeconfig, namespace="restricted").running() as bench:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = V1Namespace(metadata=V1ObjectMeta(name="restricted", labels=labels))
        await CoreV1Api(bench.client).create_namespace(namespace)
        bench.outcomes += [RESULT]
        assert await bench.operation.run_job(job(), tmp_path, print) == RESULT
