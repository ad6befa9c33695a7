"""The jobrunner's account has the permissions that it needs and no others, and a missing one is named."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes_asyncio.client import BatchV1Api

from klever_jobrunner.errors import JobError
from kleverkit.errors import TransientError
from kleverkube.job_containers import RUN
from kleverkube.jobs import job_name
from kleverkubeclient.failures import DeniedError
from kleverproto.jobs import JobDocument, JobResult
from support.cluster_account import JOBRUNNER, NAMESPACE, Account, Permission, grant
from support.job_benches import RESULT, OnCluster, job, without_pods
from support.waiting import eventually

pytestmark = pytest.mark.api_server

CREATE, DELETE = Permission("batch", "jobs", "create"), Permission("batch", "jobs", "delete")
POD_LISTS = Permission("", "pods", "list")
JOB_LISTS, POD_WATCHES = Permission("batch", "jobs", "list"), Permission("", "pods", "watch")
POLICIES = Permission("networking.k8s.io", "networkpolicies", "patch")
LOGS = Permission("", "pods/log", "get")
EVENTS = Permission("", "events", "list")


@pytest.fixture
def account(kubeconfig: Path) -> Iterator[Account]:
    account = grant(kubeconfig, JOBRUNNER)
    yield account
    account.restore()


@asynccontextmanager
async def running(account: Account, patience: float = 60.0) -> AsyncIterator[OnCluster]:
    """A jobrunner with this account."""
    bench = OnCluster(account.administrator, patience=patience, account=account.kubeconfig, namespace=NAMESPACE)
    async with bench.running():
        yield bench


async def take_away(account: Account, permission: Permission) -> None:
    account.without(permission)

    async def is_in_force() -> bool:
        return not account.has(permission)

    await eventually(is_in_force, within=30, every=0.1)


def denial(permission: Permission) -> str:
    """Return the message of the API server for a missing permission."""
    return f'cannot {permission.verb} resource "{permission.resource}"'


async def report_of(bench: OnCluster, permission: Permission) -> str:
    """Wait until readiness names a missing permission, and return its report."""

    async def report() -> str | None:
        problem = await bench.cluster.problem() or ""
        return problem if denial(permission) in problem else None

    return await eventually(report, within=30) or ""


async def test_the_account_has_the_permissions_that_are_used_and_no_others(account: Account, tmp_path: Path) -> None:
    async with running(account, patience=0.5) as bench:
        bench.outcomes += [RESULT]
        document = job()
        assert await bench.operation.run_job(document, tmp_path, print) == RESULT
        await bench.cluster.delete(job_name(document.id, document.generation))
        async with without_pods(bench.client, NAMESPACE):
            with pytest.raises(JobError, match="exceeded quota"):
                await bench.operation.run_job(job(), tmp_path, print)
        assert await bench.cluster.problem() is None
    assert account.used() == account.granted()


@pytest.mark.parametrize(
    "permission", [CREATE, POLICIES, LOGS, POD_LISTS], ids=lambda each: f"{each.verb} {each.resource}"
)
async def test_a_job_waits_for_a_missing_permission_and_its_log_names_it(
    account: Account, tmp_path: Path, permission: Permission
) -> None:
    lines: list[str] = []

    async def is_in_log() -> bool:
        return any(denial(permission) in line for line in lines)

    await take_away(account, permission)
    async with running(account, patience=0.5) as bench:
        bench.outcomes += [RESULT]
        attempt = asyncio.create_task(bench.operation.run_job(job(), tmp_path, lines.append))
        assert "Grant this to the service's account (RBAC)" in await report_of(bench, permission)
        await eventually(is_in_log, within=30)
        account.restore()
        assert await attempt == RESULT
        assert await bench.cluster.problem() is None


async def test_a_finished_job_is_kept_until_its_pod_can_be_listed(account: Account, tmp_path: Path) -> None:
    document = job()
    async with running(account) as bench:
        bench.outcomes += [RESULT]
        await bench.operation.run_job(document, tmp_path, print)
        await take_away(account, POD_LISTS)
        await bench.restart()
        attempt = asyncio.create_task(bench.operation.run_job(document, tmp_path, print))
        await report_of(bench, POD_LISTS)
        account.restore()
        assert await attempt == RESULT
        assert bench.played.played.count(RUN) == 1


async def test_a_job_that_may_not_be_deleted_is_reported(account: Account) -> None:
    await take_away(account, DELETE)
    async with running(account) as bench:
        with pytest.raises(DeniedError, match=denial(DELETE)):
            await bench.cluster.delete("absent")
        assert denial(DELETE) in (await bench.cluster.problem() or "")


@asynccontextmanager
async def failed_attempt(
    bench: OnCluster, document: JobDocument, directory: Path
) -> AsyncIterator["asyncio.Task[JobResult]"]:
    """An attempt that has failed for a transient reason, and whose Job may not be deleted."""
    lines: list[str] = []
    bench.outcomes += [TransientError("the registry does not respond"), RESULT]
    attempt = asyncio.create_task(bench.operation.run_job(document, directory, lines.append))
    await report_of(bench, DELETE)

    async def is_in_log() -> bool:
        return any(denial(DELETE) in line for line in lines)

    await eventually(is_in_log)
    yield attempt
    with pytest.raises(TransientError, match="the registry does not respond"):
        await attempt


async def test_a_failed_job_that_may_not_be_deleted_is_not_followed_by_the_next_attempt(
    account: Account, tmp_path: Path
) -> None:
    document = job()
    await take_away(account, DELETE)
    async with running(account) as bench:
        async with failed_attempt(bench, document, tmp_path):
            account.restore()
        assert await bench.operation.run_job(document, tmp_path, print) == RESULT


async def test_a_failed_job_that_the_cluster_deletes_is_awaited_no_longer(account: Account, tmp_path: Path) -> None:
    document = job()
    await take_away(account, DELETE)
    async with running(account) as bench:
        async with failed_attempt(bench, document, tmp_path):
            jobs = BatchV1Api(bench.client)
            await jobs.delete_namespaced_job(job_name(document.id, 1), NAMESPACE, propagation_policy="Background")
        assert await bench.operation.run_job(document, tmp_path, print) == RESULT


@pytest.mark.parametrize("permission", [JOB_LISTS, POD_WATCHES], ids=lambda each: f"{each.verb} {each.resource}")
async def test_what_the_jobrunner_may_not_follow_is_reported(account: Account, permission: Permission) -> None:
    await take_away(account, permission)
    async with running(account) as bench:
        assert await report_of(bench, permission)


async def test_without_the_optional_permission_a_job_without_a_pod_fails_without_a_reason(
    account: Account, tmp_path: Path
) -> None:
    await take_away(account, EVENTS)
    async with running(account, patience=0.5) as bench, without_pods(bench.client, NAMESPACE):
        async with asyncio.timeout(60):
            with pytest.raises(JobError, match=r"the cluster has created no pod$"):
                await bench.operation.run_job(job(), tmp_path, print)
        assert await bench.cluster.problem() is None
