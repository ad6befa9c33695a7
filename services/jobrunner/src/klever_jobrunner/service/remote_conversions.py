"""Conversions that run elsewhere, unless an earlier one has had the same result."""

from dataclasses import dataclass
from pathlib import Path

from klever_jobrunner.ports import OnLine, Operation
from kleverproto.jobs import JobDocument, JobResult

from .conversions import Conversions, requested_conversion


@dataclass(frozen=True)
class RemoteConversions:
    """See `ports.Operation`: publishes the result of an earlier conversion, which starts nothing; else runs the job.

    Attributes:
        conversions: finds and publishes results.
        runs: runs the jobs. They look for an earlier result as well, since the format may not be known before.
    """

    conversions: Conversions
    runs: Operation

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        spec, wanted = job.spec, requested_conversion(job)
        if spec.format is not None and (known := await self.conversions.reuse(spec, spec.format, wanted, on_line)):
            return known
        return await self.runs.run_job(job, scratch, on_line)
