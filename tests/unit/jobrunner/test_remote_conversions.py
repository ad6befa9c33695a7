"""Conversions that run elsewhere start nothing if an earlier one had the same result."""

from pathlib import Path

from klever_jobrunner.adapters.model_directories import ModelDirectory, SamplesFile
from klever_jobrunner.ports import ConversionSource, OnLine, StoredResult, TrustedNames
from klever_jobrunner.service.conversions import Conversions
from klever_jobrunner.service.remote_conversions import RemoteConversions
from kleverproto.conversions import Conversion, ConversionRecord, Verification
from kleverproto.jobs import JobDocument, JobKind, JobResult, JobSpec, JobStatus
from kleverproto.references import ModelRef
from support.jobs import DIGEST, NOW, GatedExecutor, request

RECORD = ConversionRecord(
    source_format="ONNX", target_format="PMML", steps=(), verification=Verification(verified=True), seconds=1.0
)


class Results:
    """See `ports.ResultIndex`, `ports.ModelSink` and `ports.Converter`: has the result of one conversion to PMML."""

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        is_known = spec.conversion is not None and spec.conversion.to == "PMML" and bool(key)
        return StoredResult(ModelRef.parse("library/adder:v1-pmml"), DIGEST, RECORD) if is_known else None

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        raise NotImplementedError

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        raise NotImplementedError

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        del ref, registry
        return result.digest == DIGEST

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        return f"{format_name}-{wanted.to}"

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        raise NotImplementedError


class Elsewhere:
    """See `ports.Operation`."""

    def __init__(self) -> None:
        self.runs = 0

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        del job, scratch, on_line
        self.runs += 1
        return JobResult()


async def nobody_trusted(_project: str) -> TrustedNames:
    return ()


async def convert(to: str, format_name: str | None) -> tuple[JobResult, int]:
    """The result of a conversion, and the number of runs elsewhere."""
    results, elsewhere, nowhere = Results(), Elsewhere(), Path("unused")
    conversions = Conversions(
        *(ModelDirectory(nowhere), GatedExecutor(), results, results, results, SamplesFile(nowhere), nobody_trusted)
    )
    changes = {"kind": JobKind.CONVERT, "format": format_name, "conversion": Conversion(to=to)}
    spec = request().spec.model_copy(update=changes)
    job = JobDocument(id="job-1", spec=spec, status=JobStatus(), created_at=NOW, updated_at=NOW)
    result = await RemoteConversions(conversions, elsewhere).run_job(job, nowhere, print)
    return result, elsewhere.runs


async def test_known_result_is_published_without_a_run() -> None:
    result, runs = await convert("PMML", "ONNX")
    assert result.converted is not None
    assert (result.converted.is_cached, runs) == (True, 0)


async def test_conversion_without_a_known_result_runs_elsewhere() -> None:
    assert await convert("TFLite", "ONNX") == (JobResult(), 1)


async def test_conversion_of_a_model_whose_format_is_not_known_runs_elsewhere() -> None:
    assert await convert("PMML", None) == (JobResult(), 1)
