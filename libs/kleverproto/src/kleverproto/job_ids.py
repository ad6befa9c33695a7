"""Ids of jobs: derived, so that asking twice for the same work on the same bytes is one job."""

from .envelope import derive_id
from .jobs import JobSpec


def job_id(spec: JobSpec) -> str:
    """The id of the job for this work; every service that requests a job uses it."""
    return derive_id("job", spec.kind.value, spec.ref.repository, spec.digest, *_made(spec))


def _made(spec: JobSpec) -> tuple[str, ...]:
    """What sets conversions of the same bytes apart."""
    if spec.conversion is None:
        return ()
    named = spec.conversion.replace(ref=spec.conversion.result(spec.ref))
    return (named.model_dump_json(exclude_defaults=True),)
