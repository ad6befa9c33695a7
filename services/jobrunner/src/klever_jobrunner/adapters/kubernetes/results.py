"""Checks of the results that pods report; pure."""

from klever_jobrunner.errors import INTERNAL, JobError
from kleverproto.jobs import JobKind, JobResult, JobSpec


def check_result(spec: JobSpec, result: JobResult) -> None:
    """Check that a result is one of this job. Raises JobError.

    A pod decides the content of a result, as a worker process does, and not what it is the result of.
    """
    converted, wanted = result.converted, spec.conversion
    if spec.kind is not JobKind.CONVERT:
        is_complete = result.scan is not None and (spec.kind is JobKind.SCAN or result.signature is not None)
    else:
        is_complete = converted is not None and wanted is not None
    if is_complete and converted is not None and wanted is not None:
        is_complete = (converted.registry, converted.ref) == (spec.registry, wanted.result(spec.ref))
    if not is_complete or (spec.kind is not JobKind.CONVERT and converted is not None):
        raise JobError("the pod reports the result of another job. Compare the versions of its images", code=INTERNAL)
