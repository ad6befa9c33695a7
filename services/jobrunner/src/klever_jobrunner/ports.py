"""What the use cases need of the world."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kleverproto.jobs import JobSpec
from kleverproto.signatures import Signature


@dataclass(frozen=True)
class FetchedModel:
    """A model's files on this machine."""

    directory: Path
    """Holds what the artifact has under `model/`."""
    format: str | None


class ModelSource(Protocol):
    """Where models come from."""

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """Write the model's files below a directory that does not exist yet.

        Raises:
            JobError: `model_not_found` or `pull_failed`; trying again would not help.
            TransientError: the registry does not answer now.
        """
        ...


class JobExecutor(Protocol):
    """Parses models where they can do no harm."""

    async def extract(self, directory: Path, format_name: str) -> Signature:
        """The signature of the model in a directory.

        Raises:
            JobError: `invalid_model`, `unsupported_format`, `out_of_memory`, `timed_out` or `worker_died`.
        """
        ...
