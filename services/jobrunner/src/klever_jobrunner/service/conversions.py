"""Converts models: fetches, converts, verifies and pushes a model, or publishes the result of an earlier conversion."""

import json
from dataclasses import dataclass
from pathlib import Path

import modelformats
from klever_jobrunner.errors import NOT_VERIFIED, UNSUPPORTED_CONVERSION, UNSUPPORTED_FORMAT, JobError
from klever_jobrunner.ports import (
    ConversionSource,
    Converter,
    FetchedModel,
    JobExecutor,
    ModelSink,
    ModelSource,
    OnLine,
    ResultIndex,
    Samples,
    SampleSource,
    StoredResult,
    Trusted,
)
from kleverproto.codes import UNSERVABLE_MODEL
from kleverproto.conversions import (
    CONVERTED_FROM,
    MEASURED_ERROR,
    Conversion,
    ConvertedModel,
    Verification,
)
from kleverproto.jobs import JobDocument, JobResult, JobSpec
from kleverproto.servable import cannot_be_called
from kleverproto.signatures import Signature
from modelformats.threads import in_thread
from ormb.agreement import completed
from ormb.digest import digest_bytes, hexadecimal
from ormb.modelfile import FILE_NAME, ModelFile, dump_modelfile, to_metadata
from ormb.packing import MODEL


@dataclass(frozen=True)
class Conversions:
    """Converts models to other formats; see `ports.Operation`.

    Attributes:
        source: fetches models.
        executor: extracts their signatures.
        converter: converts them.
        results: finds the results of earlier conversions.
        sink: pushes the result.
        samples: fetches inputs for the verification.
        trusted: returns the names that a project trusts.
    """

    source: ModelSource
    executor: JobExecutor
    converter: Converter
    results: ResultIndex
    sink: ModelSink
    samples: SampleSource
    trusted: Trusted

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        spec, wanted = job.spec, requested_conversion(job)
        if spec.format is not None and (known := await self.reuse(spec, spec.format, wanted, on_line)):
            return known
        on_line(f"fetching {spec.ref} from {spec.registry}")
        model = await self.source.fetch(spec, scratch / "source")
        format_name = await in_thread(_format, spec.format or model.format, model.directory)
        if spec.format is None and (known := await self.reuse(spec, format_name, wanted, on_line)):
            return known
        result = await self._convert(job, model, format_name, scratch, on_line)
        await self.results.record(spec, self._key(spec, format_name, wanted), result)
        return _result(spec, result, is_cached=False)

    async def reuse(self, spec: JobSpec, format_name: str, wanted: Conversion, on_line: OnLine) -> JobResult | None:
        """Publish the result of an earlier conversion; None if there is none. Raises as `run_job`."""
        ref = wanted.result(spec.ref)
        known = await self.results.find(spec, self._key(spec, format_name, wanted))
        if known is None or not await self.sink.republish(ref, spec.registry, known):
            return None
        on_line(f"reusing the result of an earlier conversion: {known.ref} is published as {ref}")
        return _result(spec, StoredResult(ref, known.digest, known.record), is_cached=True)

    async def _convert(
        self, job: JobDocument, model: FetchedModel, format_name: str, scratch: Path, on_line: OnLine
    ) -> StoredResult:
        spec, wanted = job.spec, requested_conversion(job)
        described_by = model.modelfile or ModelFile()
        signature = await self._signature(spec, model, format_name)
        on_line(f"converting {format_name} to {wanted.to}")
        directory = scratch / "result"
        (directory / MODEL).mkdir(parents=True)
        samples = await self._samples(spec, wanted, scratch)
        trust = await self.trusted(spec.ref.project)
        source = ConversionSource(model.directory, format_name, signature, samples, trust)
        record = await self.converter.convert(source, wanted, directory / MODEL, on_line)
        _check_verified(record.verification, wanted)
        (directory / FILE_NAME).write_text(dump_modelfile(described(described_by, spec, wanted, record.verification)))
        ref = wanted.result(spec.ref)
        on_line(f"pushing {ref}")
        digest = await self.sink.publish(ref, spec.registry, directory, record)
        on_line(f"pushed {ref}")
        return StoredResult(ref, digest, record)

    async def _samples(self, spec: JobSpec, wanted: Conversion, scratch: Path) -> Samples:
        """The samples in the request, or those that it refers to. Raises JobError, TransientError."""
        if wanted.samples_digest is None:
            return wanted.samples
        return await self.samples.fetch_samples(spec, wanted.samples_digest, scratch)

    async def _signature(self, spec: JobSpec, model: FetchedModel, format_name: str) -> Signature:
        """The model's inputs and outputs, as far as they are known. Raises JobError if it cannot be converted."""
        declared = to_metadata(model.modelfile or ModelFile()).declared_signature
        signature = completed(declared, await self._extracted(model.directory, format_name))
        if reason := cannot_be_called(signature):
            raise JobError(f"{spec.ref} cannot be converted: {reason}", code=UNSERVABLE_MODEL)
        return signature

    async def _extracted(self, directory: Path, format_name: str) -> Signature:
        """The signature from the files; empty if there is no parser for the format."""
        try:
            return await self.executor.extract(directory, format_name)
        except JobError as error:
            if error.code == UNSUPPORTED_FORMAT:
                return Signature()
            raise

    def _key(self, spec: JobSpec, format_name: str, wanted: Conversion) -> str:
        """The key of the result: a hash of everything on which it depends."""
        what = wanted.replace(ref=None).model_dump(mode="json")
        parts = [spec.ref.repository, spec.digest, what, self.converter.fingerprint(format_name, wanted)]
        return hexadecimal(digest_bytes(json.dumps(parts, sort_keys=True).encode()))


def _result(spec: JobSpec, stored: StoredResult, *, is_cached: bool) -> JobResult:
    converted = ConvertedModel(
        ref=stored.ref, digest=stored.digest, registry=spec.registry, is_cached=is_cached, record=stored.record
    )
    return JobResult(converted=converted)


def _check_verified(verification: Verification, wanted: Conversion) -> None:
    if verification.verified or wanted.allow_unverified:
        return
    raise JobError(
        f"the result was not published, since it could not be compared with the source: {verification.reason}. "
        "Provide inputs (`klever convert ... --sample NAME=@FILE`), or publish it without verification "
        "(`klever convert ... --allow-unverified`)",
        code=NOT_VERIFIED,
    )


def described(source: ModelFile, spec: JobSpec, wanted: Conversion, verification: Verification) -> ModelFile:
    """The source's metadata for the result, without entries that describe only the source's files.

    The conversion of an unverified source is unverified too.
    """
    kept = {name: value for name, value in source.labels.items() if name != MEASURED_ERROR}
    origin = {CONVERTED_FROM: f"{spec.ref.repository}@{spec.digest}"}
    return source.model_copy(
        update={
            "format": wanted.to,
            "labels": {**kept, **origin, **verification.labels},
            "signature": None,
            "directory_structure": (),
            "size": None,
        }
    )


def requested_conversion(job: JobDocument) -> Conversion:
    """The conversion of a job. Raises JobError if it has none."""
    if job.spec.conversion is None:
        raise JobError("a convert job needs a target format: set `conversion.to`", code=UNSUPPORTED_CONVERSION)
    return job.spec.conversion


def _format(said: str | None, directory: Path) -> str:
    name = said or modelformats.detect_format(directory)
    if name is None:
        raise JobError(
            "the model has no format, and it cannot be detected from the files: set `format:` in ormbfile.yaml "
            "and push the model again",
            code=UNSUPPORTED_FORMAT,
        )
    return name
