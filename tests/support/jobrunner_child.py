"""A jobrunner in a separate process, whose jobs complete when the test allows it.

Run as `jobrunner_child.py <nats url> <directory> <name> <lapse seconds>`. Each job that begins writes its id and the
jobrunner's name into `<directory>/begun`; it completes when `<directory>/open` exists.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from klever_jobrunner.ports import OnLine
from kleverproto.jobs import JobDocument, JobKind, JobResult
from support.jobs_service import running_jobrunner
from support.waiting import eventually


@dataclass
class Gated:
    """See `ports.Operation`."""

    directory: Path
    name: str

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        on_line(f"{self.name} in {scratch}")
        self._note("begun", job)
        try:
            await eventually(self._is_open, within=3600)
        except asyncio.CancelledError:
            self._note("stopped", job)
            raise
        return JobResult()

    async def _is_open(self) -> bool:
        return (self.directory / "open").exists()

    def _note(self, what: str, job: JobDocument) -> None:
        with (self.directory / what).open("a") as file:
            file.write(f"{job.id} {self.name}\n")


async def main(nats_url: str, directory: Path, name: str, lapse_seconds: float) -> None:
    """Run until the process is killed."""
    operation = Gated(directory, name)
    scratch = directory / f"scratch-{name}"
    async with running_jobrunner(
        nats_url, scratch, dict.fromkeys(JobKind, operation), name=name, lapse_seconds=lapse_seconds
    ):
        (directory / f"ready-{name}").touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    url, path, runner, lapse = sys.argv[1:]
    asyncio.run(main(url, Path(path), runner, float(lapse)))
