"""Checks of the results that pods report; pure."""

from klever_jobrunner.errors import INTERNAL, JobError
from kleverproto.jobs import JobKind, JobResult, JobSpec


def checked(spec: JobSpec, result: JobResult) -> JobResult:
    """The result of a job, with the name of the registry in documents. Raises JobError if it is of another job.

    A pod decides the content of a result, as a worker process does, but not the job to which the result belongs.
    """
    converted, wanted = result.converted, spec.conversion
    if spec.kind is JobKind.CONVERT:
        if converted is not None and wanted is not None and converted.ref == wanted.result(spec.ref):
            return JobResult(converted=converted.model_copy(update={"registry": spec.registry}))
    elif result.scan is not None and (spec.kind is JobKind.SCAN or result.signature is not None):
        return JobResult(signature=result.signature, scan=result.scan)
    raise JobError("the pod reports the result of another job. Compare the versions of its images", code=INTERNAL)
