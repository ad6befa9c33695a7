"""Ids of jobs. They are derived from the work, so that repeated requests for the same work are one job."""

from .envelope import derive_id
from .jobs import JobSpec


def job_id(spec: JobSpec) -> str:
    """Return the id of the job for this work. All services that request jobs use it."""
    return derive_id("job", spec.kind.value, spec.ref.repository, spec.digest, *_made(spec))


def _made(spec: JobSpec) -> tuple[str, ...]:
    """Return the parameters that distinguish conversions of the same bytes."""
    if spec.conversion is None:
        return ()
    named = spec.conversion.replace(ref=spec.conversion.result(spec.ref))
    return (named.model_dump_json(exclude_defaults=True),)
