"""Pulls models from and pushes them to an OCI registry with the ormb library."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from klever_jobrunner.errors import (
    DISK_FULL,
    INVALID_SAMPLES,
    MODEL_NOT_FOUND,
    PULL_FAILED,
    PUSH_FAILED,
    UNSUPPORTED_FORMAT,
    JobError,
)
from klever_jobrunner.ports import FetchedModel, Samples, StoredResult
from kleverkit.errors import TransientError
from kleverproto.conversions import RECORD_TYPE, SAMPLES_BYTES, SAMPLES_TYPE, ConversionRecord
from kleverproto.jobs import JobSpec
from kleverproto.references import ModelRef
from modelformats.threads import in_thread
from ormb.client import OrmbClient
from ormb.errors import NoSpaceError, NotFoundError, OrmbError, UnsupportedArtifactError
from ormb.info import ModelInfo
from ormb.packing import MODEL
from ormb.reference import Reference

from .samples import read_samples

RECORD_FILE = "conversion.json"
SAMPLES_FILE = "samples.npz"


class OrmbModels:
    """See `ports.ModelSource`, `ports.SampleSource` and `ports.ModelSink`.

    Args:
        client: entered by its owner; all jobs share its connections.
    """

    def __init__(self, client: OrmbClient) -> None:
        self._client = client

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`."""
        try:
            info = await self._pull(spec, destination)
        except NotFoundError as error:
            raise JobError(
                f"{spec.ref} ({spec.digest}) is no longer in {spec.registry}: push it again", code=MODEL_NOT_FOUND
            ) from error
        except UnsupportedArtifactError as error:
            raise JobError(f"{spec.ref} cannot be unpacked: {error}", code=UNSUPPORTED_FORMAT) from error
        except OrmbError as error:
            raise JobError(f"{spec.ref} cannot be pulled: {error}", code=PULL_FAILED) from error
        return FetchedModel(destination / MODEL, info.format, info.manifest.modelfile)

    async def fetch_samples(self, spec: JobSpec, digest: str, scratch: Path) -> Samples:
        """See `ports.SampleSource`."""
        path = scratch / SAMPLES_FILE
        reference = Reference(spec.registry, spec.ref.repository, digest=digest)
        try:
            await self._client.referrers.fetch(reference, SAMPLES_TYPE, path, limit=SAMPLES_BYTES)
        except (NotFoundError, UnsupportedArtifactError) as error:
            raise JobError(f"there are no samples under {digest}: {error}", code=INVALID_SAMPLES) from error
        except OrmbError as error:
            if error.transient:
                raise _transient(str(error), error) from error
            raise JobError(f"the samples {digest} cannot be pulled: {error}", code=PULL_FAILED) from error
        return await in_thread(read_samples, path)

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """See `ports.ModelSink`."""
        reference = Reference(registry, ref.repository, ref.version)
        with _pushing(reference):
            info = await self._client.push_directory(directory, reference)
            await self._attach(reference.at(info.digest), record)
        return info.digest

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        """See `ports.ModelSink`."""
        reference = Reference(registry, ref.repository, ref.version)
        stored = Reference(registry, result.ref.repository, digest=result.digest)
        with _pushing(reference):
            try:
                await self._client.copy(stored, reference, with_referrers=False)
            except (NotFoundError, UnsupportedArtifactError):
                return False
            await self._attach(reference.at(result.digest), result.record)
        return True

    async def _attach(self, reference: Reference, record: ConversionRecord) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / RECORD_FILE
            path.write_text(record.model_dump_json(indent=2))
            await self._client.attach(reference, [path], RECORD_TYPE, {})

    async def _pull(self, spec: JobSpec, destination: Path) -> ModelInfo:
        reference = Reference(spec.registry, spec.ref.repository, digest=spec.digest)
        try:
            return await self._client.pull_and_export(reference, destination)
        except OrmbError as error:
            if error.transient:
                raise _transient(str(error), error) from error
            raise


@contextmanager
def _pushing(reference: Reference) -> Iterator[None]:
    """Convert errors of the registry to errors of the job. Raises JobError, TransientError."""
    try:
        yield
    except OrmbError as error:
        if error.transient:
            raise _transient(f"{reference} cannot be pushed now: {error}", error) from error
        raise JobError(f"{reference} cannot be pushed: {error}", code=PUSH_FAILED) from error


def _transient(message: str, error: OrmbError) -> TransientError:
    return TransientError(message, code=DISK_FULL if isinstance(error, NoSpaceError) else None)
