"""The use case of the command: one attempt at one job, without documents and events."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from klever_jobrunner.domain.command import ExitCode, RunOutcome, RunRequest
from klever_jobrunner.errors import INTERNAL, UNSUPPORTED_KIND, JobError
from klever_jobrunner.ports import OnLine, Operation
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobResult, JobStatus

from .attempts import problem_of


async def run_single_job(
    request: RunRequest, operations: Mapping[JobKind, Operation], scratch: Path, on_line: OnLine, now: datetime
) -> tuple[ExitCode, RunOutcome]:
    """Run a job to its end; raises only CancelledError.

    Args:
        request: the request for the job.
        operations: run the jobs of each kind.
        scratch: an empty directory.
        on_line: called with each line of the job's log.
        now: the present time.
    """
    spec = request.spec
    job = JobDocument(id=job_id(spec), spec=spec, status=JobStatus(), created_at=now, updated_at=now)
    try:
        return ExitCode.DONE, RunOutcome(result=await _run(job, operations, scratch, on_line))
    except JobError as error:
        return ExitCode.FAILED, RunOutcome(result=error.result, problem=error.problem)
    except Exception as error:  # noqa: BLE001 - the exit code and the outcome report the error
        problem = problem_of(error)
        code = ExitCode.INTERNAL if problem.code == INTERNAL else ExitCode.TEMPORARY
        return code, RunOutcome(problem=problem)


async def _run(job: JobDocument, operations: Mapping[JobKind, Operation], scratch: Path, on_line: OnLine) -> JobResult:
    operation = operations.get(job.spec.kind)
    if operation is None:
        raise JobError(f"this command runs no {job.spec.kind} jobs", code=UNSUPPORTED_KIND)
    return await operation.run_job(job, scratch, on_line)
