"""The Job of a failed attempt is deleted, and no other one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kleverkit.errors import TransientError
from kleverkube.jobs import job_name
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import ConflictError, RefusedByClusterError
from support.job_benches import RESULT, OnCluster, job

pytestmark = pytest.mark.api_server


@pytest.fixture
async def bench(kubeconfig: Path) -> AsyncIterator[OnCluster]:
    async with OnCluster(kubeconfig).running() as bench:
        yield bench


async def test_job_of_another_attempt_with_the_same_name_is_not_deleted(bench: OnCluster, tmp_path: Path) -> None:
    document = job()
    bench.outcomes += [RESULT]
    await bench.operation.run_job(document, tmp_path, print)
    with pytest.raises(ConflictError):
        await bench.cluster.delete(job_name(document.id, 1), uid="of-an-earlier-attempt")
    assert await bench.cluster.read(job_name(document.id, 1)) is not None


class RefusesOneDeletion(KubernetesApi):
    """An API server whose admission refuses the first deletion."""

    is_refused = False

    async def delete(self, *args: Any, **options: Any) -> None:
        if not self.is_refused:
            self.is_refused = True
            raise RefusedByClusterError("the deletion is not permitted today", status=400)
        await super().delete(*args, **options)


async def test_failed_job_whose_deletion_is_refused_is_not_followed_again(bench: OnCluster, tmp_path: Path) -> None:
    document, lines = job(), list[str]()
    bench.cluster.api = RefusesOneDeletion(bench.client)
    bench.outcomes += [TransientError("the registry does not respond"), RESULT]
    with pytest.raises(TransientError, match="the registry does not respond"):
        await bench.operation.run_job(document, tmp_path, lines.append)
    assert "waiting for the cluster: the deletion is not permitted today" in lines
    assert await bench.operation.run_job(document, tmp_path, print) == RESULT
