"""Jobs that parse or scan a model."""

from pathlib import Path

from klever_jobrunner.errors import JobError
from klever_jobrunner.ports import JobExecutor, ModelSource, OnLine
from kleverproto.jobs import JobDocument, JobResult


class Extraction:
    """Extracts a model's signature and scans its pickles; see `ports.Operation`."""

    def __init__(self, source: ModelSource, executor: JobExecutor) -> None:
        self._source = source
        self._executor = executor

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`. Logs no lines, since there are thousands of these jobs, which take milliseconds."""
        del on_line
        model = await self._source.fetch(job.spec, scratch / "model")
        scan = await self._executor.scan(model.directory)
        try:
            signature = await self._executor.extract(model.directory, job.spec.format or model.format)
        except JobError as error:
            raise JobError(str(error), code=error.code, result=JobResult(scan=scan)) from error
        return JobResult(signature=signature, scan=scan)


class Scanning:
    """Scans a model's pickles for code that runs when they are loaded; see `ports.Operation`."""

    def __init__(self, source: ModelSource, executor: JobExecutor) -> None:
        self._source = source
        self._executor = executor

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        model = await self._source.fetch(job.spec, scratch / "model")
        scan = await self._executor.scan(model.directory)
        on_line(f"{scan.scanner} {scan.scanner_version}: {scan.verdict}")
        return JobResult(scan=scan)
