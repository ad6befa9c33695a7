"""Outcomes of Jobs, from their conditions, the exits of their containers and the outcome of the command; pure."""

from dataclasses import dataclass
from enum import IntEnum

from klever_jobrunner.domain.command import ExitCode, RunOutcome
from klever_jobrunner.errors import (
    INVALID_SAMPLES,
    MODEL_NOT_FOUND,
    OUT_OF_MEMORY,
    PULL_FAILED,
    TIMED_OUT,
    WORKER_DIED,
    JobError,
)
from kleverkit.errors import TransientError
from kleverkube.containers import INITIALIZER
from kleverkube.job_containers import SAMPLES
from kleverkube.manifest import Manifest
from kleverproto.jobs import JobResult

LONGEST = 1500
"""Characters of a message."""
KILLED = (128 + 9, 128 + 15)
"""Exit codes of containers that the node has killed or stopped."""


class FetchExit(IntEnum):
    """Exit codes of the storage initializer."""

    NO_INPUT = 66
    TEMPORARY = 75


class CommandFailedError(Exception):
    """The command has failed by an internal error; it is retried like an error of the jobrunner."""


@dataclass(frozen=True)
class Exit:
    """The exit of a container."""

    container: str
    code: int
    reason: str
    message: str


def is_finished(job: Manifest) -> bool:
    """Return whether the cluster does nothing more for a Job."""
    return _has(job, "Complete") or _has(job, "Failed")


def result_of(job: Manifest, pod: Manifest | None, outcomes: dict[str, RunOutcome], last: str) -> JobResult:
    """The result of a Job that has finished.

    Args:
        job: the Job.
        pod: its pod, as last seen; None if it is not known.
        outcomes: reported outcomes of the command, by container.
        last: the container whose result is that of the job.

    Raises:
        JobError: the job has failed; a retry does not help.
        TransientError: a retry may help.
        CommandFailedError: an error of the command.
    """
    if not _has(job, "Complete"):
        raise _failure(job, pod, outcomes)
    outcome = outcomes.get(last)
    if outcome is None or outcome.result is None:
        raise TransientError("the Job is complete, and its log with the result is gone", code=WORKER_DIED)
    return outcome.result


def _failure(job: Manifest, pod: Manifest | None, outcomes: dict[str, RunOutcome]) -> Exception:
    failed = _condition(job, "Failed")
    if failed.get("reason") == "DeadlineExceeded":
        seconds = job["spec"].get("activeDeadlineSeconds")
        return JobError(
            f"the Job took longer than {seconds} s: increase KLEVER_JOBRUNNER_CLUSTER_DEADLINE_SECONDS", code=TIMED_OUT
        )
    if pod is None:
        return TransientError(f"the Job has failed, and its pod is gone: {_text(failed)}", code=WORKER_DIED)
    if interruption := _interruption(pod):
        return TransientError(interruption, code=WORKER_DIED)
    failure = failed_exit(pod)
    if failure is None:
        return TransientError(f"the Job has failed: {_text(failed)}", code=WORKER_DIED)
    return _exit_failure(failure, outcomes.get(failure.container), pod)


def _exit_failure(failure: Exit, outcome: RunOutcome | None, pod: Manifest) -> Exception:
    if failure.reason == "OOMKilled":
        limit = _memory_limit(pod, failure.container)
        message = f"the container {failure.container} was killed because it used more than {limit} of memory"
        return JobError(f"{message}: increase KLEVER_JOBRUNNER_CLUSTER_MEMORY", code=OUT_OF_MEMORY)
    if failure.code in KILLED:
        return TransientError(f"the container {failure.container} was stopped by its node", code=WORKER_DIED)
    if failure.container in {INITIALIZER, SAMPLES}:
        return _fetch_failure(failure)
    return _command_failure(failure, outcome or RunOutcome())


def _command_failure(failure: Exit, outcome: RunOutcome) -> Exception:
    problem = outcome.problem
    if problem is None:
        described = f"the container {failure.container} exits with code {failure.code} without an outcome"
        return JobError(f"{described}: {failure.message}", code=WORKER_DIED)
    match failure.code:
        case ExitCode.TEMPORARY:
            return TransientError(problem.message, code=problem.code)
        case ExitCode.INTERNAL:
            return CommandFailedError(problem.message)
        case _:
            return JobError(problem.message, code=problem.code, result=outcome.result)


def _fetch_failure(failure: Exit) -> Exception:
    what, missing = ("samples", INVALID_SAMPLES) if failure.container == SAMPLES else ("model", MODEL_NOT_FOUND)
    message = f"the {what} cannot be fetched: {failure.message}"
    match failure.code:
        case FetchExit.TEMPORARY:
            return TransientError(message, code=PULL_FAILED)
        case FetchExit.NO_INPUT:
            return JobError(message, code=missing)
        case _:
            return JobError(message, code=PULL_FAILED)


def failed_exit(pod: Manifest) -> Exit | None:
    """The first container that has exited with an error."""
    for status in _statuses(pod):
        ended = status.get("state", {}).get("terminated")
        if ended and ended.get("exitCode"):
            return Exit(status["name"], ended["exitCode"], ended.get("reason", ""), _text(ended))
    return None


def has_started(pod: Manifest, container: str) -> bool:
    """Return whether a container runs or has run, so that it has a log."""
    return any(
        status["name"] == container and {"running", "terminated"} & status.get("state", {}).keys()
        for status in _statuses(pod)
    )


def has_exited(pod: Manifest, container: str) -> bool:
    """Return whether a container has exited, so that its log is complete."""
    return any(status["name"] == container and "terminated" in status.get("state", {}) for status in _statuses(pod))


def container_names(pod: Manifest) -> list[str]:
    """The containers of a pod in the order in which they run."""
    spec = pod["spec"]
    return [each["name"] for each in (*spec.get("initContainers", ()), *spec["containers"])]


def _interruption(pod: Manifest) -> str | None:
    """Return the reason why a pod was evicted, preempted or lost; None if its containers exited themselves."""
    status = pod.get("status", {})
    disrupted = _condition(pod, "DisruptionTarget")
    if disrupted.get("status") == "True":
        return f"the pod was interrupted ({disrupted.get('reason', '')}): {_text(disrupted)}"
    if status.get("reason") == "Evicted":
        return f"the pod was evicted: {_text(status)}"
    if "deletionTimestamp" in pod["metadata"] and failed_exit(pod) is None:
        return "the pod was deleted"
    return None


def _statuses(pod: Manifest) -> list[Manifest]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _memory_limit(pod: Manifest, container: str) -> str:
    spec = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    limits = [each.get("resources", {}).get("limits", {}) for each in containers if each["name"] == container]
    return str(limits[0].get("memory", "its limit")) if limits else "its limit"


def _has(job: Manifest, condition: str) -> bool:
    return _condition(job, condition).get("status") == "True"


def _condition(manifest: Manifest, kind: str) -> Manifest:
    conditions: list[Manifest] = manifest.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def _text(part: Manifest) -> str:
    return str(part.get("message") or part.get("reason") or "no reason is given").strip()[-LONGEST:]
