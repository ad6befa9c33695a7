"""The ports: the interfaces through which the use cases reach the outside."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kleverproto.conversions import Conversion, ConversionRecord
from kleverproto.jobs import JobDocument, JobResult, JobSpec
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from ormb.modelfile import ModelFile

from .domain.requests import Request


@dataclass(frozen=True)
class FetchedModel:
    """A model's files on this machine."""

    directory: Path
    """Directory with the files that the artifact has under `model/`."""
    format: str | None
    """The model's format, if the artifact names it."""
    modelfile: ModelFile | None = None
    """The author's metadata."""


OnLine = Callable[[str], None]
"""Adds a line to the job's log; does not block."""
Samples = Mapping[str, Any]
"""Inputs by name: arrays, or nested lists of numbers or strings."""
TrustedNames = tuple[str, ...]
"""Classes and functions that pickles may refer to besides the known ones, as module:Name."""


class Operation(Protocol):
    """Runs jobs of one kind."""

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """Run the job.

        Args:
            job: the job.
            scratch: an empty directory, removed afterwards.
            on_line: called with each line of the job's log.

        Raises:
            JobError: the job has failed; a retry does not help.
            TransientError: a retry may succeed.
        """
        ...


class ModelSource(Protocol):
    """Fetches models."""

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """Write the files that the job needs to a directory that does not exist yet.

        Raises:
            JobError: `model_not_found`, `pull_failed` or `unsupported_format`; a retry does not help.
            TransientError: the registry is not available.
        """
        ...


class SampleSource(Protocol):
    """Fetches sample inputs for the verification of conversions."""

    async def fetch_samples(self, spec: JobSpec, digest: str, scratch: Path) -> Samples:
        """Read the .npz file that is attached to a job's model.

        Args:
            spec: the spec of the job, which names the model.
            digest: the digest of the artifact with the samples.
            scratch: an existing directory for the file.

        Raises:
            JobError: `invalid_samples` if the artifact does not exist or has no samples; `pull_failed`.
            TransientError: the registry is not available.
        """
        ...


class JobExecutor(Protocol):
    """Parses and scans models in isolation."""

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """Extract the signature of the model in a directory; if no format is given, it is detected from the files.

        Raises:
            JobError: `invalid_model`, `unsupported_format`, `signature_too_large`, `out_of_memory`, `timed_out` or
                `worker_died`.
        """
        ...

    async def scan(self, directory: Path) -> Scan:
        """Scan the pickles in a directory for code that runs when they are loaded.

        Raises:
            JobError: `out_of_memory`, `timed_out` or `worker_died`.
        """
        ...


@dataclass(frozen=True)
class ConversionSource:
    """A model to convert."""

    directory: Path
    format: str
    signature: Signature
    """Its inputs and outputs, as far as they are known."""
    samples: Samples = field(default_factory=dict)
    """Inputs for the verification; if there are none, the converter generates some."""
    trust: TrustedNames = ()
    """Names that its pickles may refer to."""


Trusted = Callable[[str], Awaitable[TrustedNames]]
"""Returns the names that a project trusts. Raises TransientError."""


class Converter(Protocol):
    """Converts models from one format to another."""

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """A text that identifies the tools and options on which the result of a conversion depends.

        Raises:
            JobError: `unsupported_conversion`.
        """
        ...

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """Convert a model, verify the result against the source, and write it to an empty directory.

        Raises:
            JobError: `unsupported_conversion`, `unsupported_operator`, `invalid_model`, `toolchain_failed`,
                `verification_failed`, `out_of_memory`, `timed_out`, …
            TransientError: `disk_full`.
        """
        ...


@dataclass(frozen=True)
class StoredResult:
    """A converted model in the registry of its source."""

    ref: ModelRef
    digest: str
    record: ConversionRecord


class ModelSink(Protocol):
    """Stores converted models."""

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """Push a model directory with its conversion record attached; return its digest.

        Raises:
            JobError: `push_failed`; a retry does not help.
            TransientError: the registry is not available.
        """
        ...

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        """Publish a stored result under another name; return False if the registry no longer holds it.

        Raises as `publish`.
        """
        ...


class ResultIndex(Protocol):
    """Finds the results of earlier conversions by all jobrunners."""

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        """The recorded result of a conversion of this model with this key, if there is one.

        Raises:
            TransientError: the registry is not available.
        """
        ...

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        """Record a result for later conversions. A failure is only logged, since the result itself is stored."""
        ...


class Backlog(Protocol):
    """Requests that were delivered to an earlier process, which exited before it acknowledged them."""

    async def unfinished(self) -> list[Request]:
        """Delivered requests that may not be acknowledged, oldest first. Raises TransientError."""
        ...


class Withdrawals(Protocol):
    """The cancellations and deletions in the stream of requests."""

    async def is_withdrawn(self, request: Request) -> bool:
        """Return whether the job was cancelled or deleted after it was requested. Raises TransientError."""
        ...


@dataclass(frozen=True)
class RemoteRun:
    """A run of a job outside the jobrunner, which outlives it."""

    job: str
    generation: int
    """Generation of the job's document: all attempts of a generation are one run."""
    is_active: bool = True
    """True if it has not ended."""


class RemoteRuns(Protocol):
    """The runs outside the jobrunner."""

    def runs(self) -> Collection[RemoteRun]:
        """The known runs; some may be missing."""
        ...

    async def remove(self, run: RemoteRun) -> None:
        """End a run, and remove its objects. No effect if it does not exist. Raises TransientError."""
        ...
