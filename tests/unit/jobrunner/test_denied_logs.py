"""A job that has finished waits for a log that the jobrunner may not read."""

from collections.abc import AsyncGenerator

from klever_jobrunner.adapters.kubernetes.pod_logs import PodLogs
from klever_jobrunner.domain.command import RunOutcome
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import DeniedError, RefusedByClusterError
from support.job_benches import RESULT

WITHIN = 0.05
DENIED = DeniedError('cannot get resource "pods/log"')
OUTCOME = RunOutcome(result=RESULT)
POD: Manifest = {
    "metadata": {"namespace": "klever", "name": "pod", "uid": "uid-of-pod"},
    "spec": {"containers": [{"name": "run"}]},
    "status": {"containerStatuses": [{"name": "run", "state": {"terminated": {"exitCode": 0}}}]},
}


class Logs(KubernetesApi):
    """Raises the errors, one for each read, and then has the log."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def log_lines(
        self, namespace: str, pod: str, container: str, *, since: str | None, silence: float
    ) -> AsyncGenerator[bytes, None]:
        del namespace, pod, container, since, silence
        if self.errors:
            raise self.errors.pop(0)
        yield f"2026-01-01T00:00:00.000000000Z {OUTCOME.model_dump_json(exclude_none=True)}".encode()


async def test_the_log_is_read_when_the_permission_is_granted_and_the_denial_is_in_it_once() -> None:
    lines: list[str] = []
    logs = PodLogs(Logs(DENIED, DENIED), lambda: POD, lines.append)
    await logs.finish(WITHIN)
    assert logs.outcomes == {"run": OUTCOME}
    assert lines == [f"waiting for the log of run: {DENIED}"]


async def test_a_log_that_is_gone_is_not_awaited() -> None:
    logs = PodLogs(Logs(DENIED, RefusedByClusterError("not found", status=404)), lambda: POD, print)
    await logs.finish(WITHIN)
    assert logs.outcomes == {}
