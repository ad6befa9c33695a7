"""What jobs of each kind do."""

from pathlib import Path

from kleverproto.jobs import JobDocument, JobResult

from .ports import JobExecutor, ModelSource, Tell


class Extraction:
    """Finds a model's signature; see `ports.Work`."""

    def __init__(self, source: ModelSource, executor: JobExecutor) -> None:
        self._source = source
        self._executor = executor

    async def do(self, job: JobDocument, scratch: Path, tell: Tell) -> JobResult:
        """See `ports.Work`. Tells nothing: thousands of these are done, each in milliseconds."""
        del tell
        model = await self._source.fetch(job.spec, scratch / "model")
        return JobResult(signature=await self._executor.extract(model.directory, job.spec.format or model.format))
