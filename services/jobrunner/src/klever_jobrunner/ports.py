"""What the use cases need of the world."""

from collections.abc import Awaitable, Callable, Mapping
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
    """Holds what the artifact has under `model/`."""
    format: str | None
    """The model's format, where the artifact names it."""
    modelfile: ModelFile | None = None
    """The author's description."""


OnLine = Callable[[str], None]
"""Takes a line for the job's log; never waits."""
Samples = Mapping[str, Any]
"""Inputs by name: arrays, or nested lists of numbers or strings."""
TrustedNames = tuple[str, ...]
"""Classes and functions that pickles may name beside the known ones, as module:Name."""


class Operation(Protocol):
    """What is done for jobs of one kind."""

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """Run the job.

        Args:
            job: what is requested.
            scratch: an empty directory, removed afterwards.
            on_line: takes each line of the job's log.

        Raises:
            JobError: the job has failed; another attempt would not help.
            TransientError: another attempt may help.
        """
        ...


class ModelSource(Protocol):
    """Fetches models."""

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """Write the model's files, those that the job needs, below a directory that does not exist yet.

        Raises:
            JobError: `model_not_found`, `pull_failed` or `unsupported_format`; trying again would not help.
            TransientError: the registry is not available.
        """
        ...


class SampleSource(Protocol):
    """Fetches inputs for checks."""

    async def fetch_samples(self, spec: JobSpec, digest: str, scratch: Path) -> Samples:
        """Read the .npz file that is attached to the model of a job under this digest.

        Args:
            spec: names the model.
            digest: of the artifact that holds the samples.
            scratch: an existing directory, which takes the file.

        Raises:
            JobError: `invalid_samples`: there is no such artifact, or one that holds no samples; or `pull_failed`.
            TransientError: the registry is not available.
        """
        ...


class JobExecutor(Protocol):
    """Parses and scans models in isolation."""

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """The signature of the model in a directory; without a format, it is detected from the files.

        Raises:
            JobError: `invalid_model`, `unsupported_format`, `signature_too_large`, `out_of_memory`, `timed_out` or
                `worker_died`.
        """
        ...

    async def scan(self, directory: Path) -> Scan:
        """What the pickles among the files of a directory would run when they are loaded.

        Raises:
            JobError: `out_of_memory`, `timed_out` or `worker_died`.
        """
        ...


@dataclass(frozen=True)
class ConversionSource:
    """A model that is to be converted."""

    directory: Path
    format: str
    signature: Signature
    """What is known of its inputs and outputs."""
    samples: Samples = field(default_factory=dict)
    """Inputs to check the result with; where there are none, the converter generates some."""
    trust: TrustedNames = ()
    """What its pickles may name."""


Trusted = Callable[[str], Awaitable[TrustedNames]]
"""What a project trusts. Raises TransientError."""


class Converter(Protocol):
    """Turns models of one format into another."""

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """Text that differs where the same bytes may be converted to others: by other tools, or other options.

        Raises:
            JobError: `unsupported_conversion`.
        """
        ...

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """Write the result's files into an empty directory, checked against the source.

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
    """Where converted models are stored."""

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """Push a model directory with its conversion record attached; return its digest.

        Raises:
            JobError: `push_failed`; another attempt would not help.
            TransientError: the registry is not available.
        """
        ...

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        """Publish a stored result under another name; False where the registry does not hold it any more.

        Raises as `publish`.
        """
        ...


class ResultIndex(Protocol):
    """Finds the result of an earlier conversion, whichever jobrunner ran it."""

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        """The result of a conversion of these bytes with this key, if one is known.

        Raises:
            TransientError: the registry is not available.
        """
        ...

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        """Let later conversions find a result. A failure is logged: the result itself is stored already."""
        ...


class Backlog(Protocol):
    """Requests that were delivered to an earlier process of this service, which exited before it acknowledged them."""

    async def unfinished(self) -> list[Request]:
        """Requests that were delivered and may not have been acknowledged, oldest first. Raises TransientError."""
        ...


class Withdrawals(Protocol):
    """The cancellations and deletions that the stream of requests holds."""

    async def is_withdrawn(self, request: Request) -> bool:
        """Whether the job was cancelled or deleted after it was requested. Raises TransientError."""
        ...
