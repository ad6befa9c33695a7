"""Conversions: fetch, convert and check, describe, push; or push what an earlier one has made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modelformats
from kleverproto.conversions import (
    CONVERTED_FROM,
    MEASURED_ERROR,
    Conversion,
    ConvertedModel,
    Verification,
)
from kleverproto.jobs import JobDocument, JobResult, JobSpec
from kleverproto.servable import UNSERVABLE_MODEL, cannot_be_called
from kleverproto.signatures import Signature
from modelformats.threads import in_thread
from ormb.agreement import completed
from ormb.digest import digest_bytes, hexadecimal
from ormb.modelfile import FILE_NAME, ModelFile, dump_modelfile, to_metadata
from ormb.packing import MODEL

from .errors import NOT_VERIFIED, UNSUPPORTED_CONVERSION, UNSUPPORTED_FORMAT, JobError
from .ports import ConversionSource, Converter, JobExecutor, ModelSink, ModelSource, OnLine, SampleSource, Trusted
from .results import KeptResult, Results
from .samples import read_samples


@dataclass(frozen=True)
class Conversions:
    """Makes new versions of other formats; see `ports.Work`.

    Attributes:
        source: fetches models.
        executor: finds their signatures.
        converter: converts them.
        results: keeps what was made.
        sink: pushes it.
        samples: fetches inputs to check with.
        trusted: what a project trusts.
    """

    source: ModelSource
    executor: JobExecutor
    converter: Converter
    results: Results
    sink: ModelSink
    samples: SampleSource
    trusted: Trusted

    async def do(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Work`."""
        spec, wanted = job.spec, _wanted(job)
        kept = await self._kept(spec, wanted)
        if kept is not None:
            on_line("this conversion has been done before: its result is used")
        made = kept or await self._make(spec, wanted, scratch, on_line)
        ref = wanted.result(spec.ref)
        on_line(f"pushing {ref}")
        digest = await self.sink.publish(ref, spec.registry, made.directory, made.record)
        on_line(f"pushed {ref}")
        converted = ConvertedModel(
            ref=ref, digest=digest, registry=spec.registry, is_cached=kept is not None, record=made.record
        )
        return JobResult(converted=converted)

    async def _kept(self, spec: JobSpec, wanted: Conversion) -> KeptResult | None:
        if spec.format is None:
            return None
        return await in_thread(self.results.find, self._key(spec, spec.format, wanted))

    async def _make(self, spec: JobSpec, wanted: Conversion, scratch: Path, on_line: OnLine) -> KeptResult:
        on_line(f"fetching {spec.ref} from {spec.registry}")
        model = await self.source.fetch(spec, scratch / "source")
        name = await in_thread(_format, spec.format or model.format, model.directory)
        key = self._key(spec, name, wanted)
        described_by = model.modelfile or ModelFile()
        signature = completed(
            to_metadata(described_by).declared_signature, await self._signature(model.directory, name)
        )
        if reason := cannot_be_called(signature):
            raise JobError(f"{spec.ref} cannot be converted: {reason}", code=UNSERVABLE_MODEL)
        on_line(f"converting {name} to {wanted.to}")
        made = scratch / "result"
        (made / MODEL).mkdir(parents=True)
        samples = await self._samples(spec, wanted, scratch)
        source = ConversionSource(model.directory, name, signature, samples, await self.trusted(spec.ref.project))
        record = await self.converter.convert(source, wanted, made / MODEL, on_line)
        _check_verified(record.verification, wanted)
        (made / FILE_NAME).write_text(dump_modelfile(described(described_by, spec, wanted, record.verification)))
        return await in_thread(self.results.keep, key, made, record)

    async def _samples(self, spec: JobSpec, wanted: Conversion, scratch: Path) -> Mapping[str, Any]:
        """The request's own, or those that it names. Raises JobError, TransientError."""
        if wanted.samples_digest is None:
            return wanted.samples
        path = await self.samples.fetch_samples(spec, wanted.samples_digest, scratch)
        return await in_thread(read_samples, path)

    async def _signature(self, directory: Path, format_name: str) -> Signature:
        """What is known of inputs and outputs; nothing where nobody can parse the format."""
        try:
            return await self.executor.extract(directory, format_name)
        except JobError as error:
            if error.code == UNSUPPORTED_FORMAT:
                return Signature()
            raise

    def _key(self, spec: JobSpec, format_name: str, wanted: Conversion) -> str:
        """What the result depends on."""
        what = wanted.model_copy(update={"ref": None}).model_dump(mode="json")
        parts = [spec.ref.repository, spec.digest, what, self.converter.fingerprint(format_name, wanted)]
        return hexadecimal(digest_bytes(json.dumps(parts, sort_keys=True).encode()))


def _check_verified(verification: Verification, wanted: Conversion) -> None:
    if verification.verified or wanted.allow_unverified:
        return
    raise JobError(
        f"the result was not published, since it could not be compared with the source: {verification.reason}; "
        "give inputs of your own (`klever convert ... --sample NAME=@FILE`), or publish it all the same "
        "(`klever convert ... --allow-unverified`)",
        code=NOT_VERIFIED,
    )


def described(source: ModelFile, spec: JobSpec, wanted: Conversion, verification: Verification) -> ModelFile:
    """The source's metadata for the result; what holds for other files only is left out.

    A source that was not verified makes everything that is converted from it unverified.
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


def _wanted(job: JobDocument) -> Conversion:
    if job.spec.conversion is None:
        raise JobError("a convert job says what to convert to: `conversion.to`", code=UNSUPPORTED_CONVERSION)
    return job.spec.conversion


def _format(said: str | None, directory: Path) -> str:
    name = said or modelformats.detect_format(directory)
    if name is None:
        raise JobError(
            "the model does not say its format, and its files do not show it: write `format:` into ormbfile.yaml "
            "and push the model again",
            code=UNSUPPORTED_FORMAT,
        )
    return name
