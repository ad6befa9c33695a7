"""Conversion jobs: fetched, converted, described, pushed; and answered from stored results."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from klever_jobrunner.adapters.samples import read_samples
from klever_jobrunner.errors import (
    INVALID_SAMPLES,
    NOT_VERIFIED,
    UNSUPPORTED_CONVERSION,
    UNSUPPORTED_FORMAT,
    UNSUPPORTED_OPERATOR,
    JobError,
)
from klever_jobrunner.ports import ConversionSource, FetchedModel, OnLine, Samples, StoredResult
from klever_jobrunner.service.conversions import Conversions
from kleverproto.conversions import Conversion, ConversionRecord, Difference, Quantization, Verification
from kleverproto.jobs import JobDocument, JobKind, JobSpec, JobStatus
from kleverproto.references import ModelRef
from kleverproto.signatures import Signature, Tensor
from ormb.modelfile import ModelFile, load_modelfile
from ormb.modelfile import Signature as DeclaredSignature
from ormb.modelfile import Tensor as DeclaredTensor
from support.jobs import NOW, SIGNATURE, GatedExecutor

DIGEST = f"sha256:{'a' * 64}"
MADE = f"sha256:{'b' * 64}"
SAMPLES = f"sha256:{'c' * 64}"


@dataclass
class Source:
    """Has one model with metadata of its author."""

    format: str | None = "SavedModel"
    labels: dict[str, str] = field(default_factory=lambda: {"team": "vision"})
    fetched: int = 0
    declared: DeclaredSignature | None = None

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`."""
        assert spec.digest == DIGEST
        self.fetched += 1
        directory = destination / "model"
        directory.mkdir(parents=True)
        modelfile = ModelFile(author="Jo", format=self.format, labels=self.labels, size=7, signature=self.declared)
        return FetchedModel(directory, self.format, modelfile)


@dataclass
class Converter:
    """Writes a file, or fails."""

    error: JobError | None = None
    version: str = "1"
    verification: Verification = field(default_factory=lambda: Verification(verified=True))
    calls: list[ConversionSource] = field(default_factory=list)

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """See `ports.Converter`."""
        return f"{format_name}-{wanted.to}-{self.version}"

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """See `ports.Converter`."""
        self.calls.append(source)
        if self.error:
            raise self.error
        on_line("12 operators")
        (destination / "model.onnx").write_text(wanted.to)
        return ConversionRecord(
            source_format=source.format, target_format=wanted.to, steps=(), verification=self.verification, seconds=1.5
        )


@dataclass
class Sink:
    """Records pushes."""

    pushed: dict[str, ModelFile] = field(default_factory=dict)
    stored: dict[str, ModelFile] = field(default_factory=dict)
    """Contents by repository and digest."""

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """See `ports.ModelSink`."""
        assert record.target_format == "ONNX"
        assert (directory / "model" / "model.onnx").exists()
        modelfile = load_modelfile((directory / "ormbfile.yaml").read_text())
        self.pushed[f"{registry}/{ref}"] = self.stored[f"{ref.repository}@{MADE}"] = modelfile
        return MADE

    async def republish(self, ref: ModelRef, registry: str, result: StoredResult) -> bool:
        """See `ports.ModelSink`."""
        modelfile = self.stored.get(f"{result.ref.repository}@{result.digest}")
        if modelfile is not None:
            self.pushed[f"{registry}/{ref}"] = modelfile
        return modelfile is not None


@dataclass
class Index:
    """See `ports.ResultIndex`."""

    results: dict[tuple[str, str], StoredResult] = field(default_factory=dict)

    async def find(self, spec: JobSpec, key: str) -> StoredResult | None:
        return self.results.get((spec.digest, key))

    async def record(self, spec: JobSpec, key: str, result: StoredResult) -> None:
        self.results[spec.digest, key] = result


@dataclass
class Attached:
    """Has samples for each digest; see `ports.SampleSource`."""

    arrays: Samples = field(default_factory=dict)

    async def fetch_samples(self, spec: JobSpec, digest: str, scratch: Path) -> Samples:
        assert scratch.name
        assert (spec.digest, digest) == (DIGEST, SAMPLES)
        return self.arrays


class Rig:
    """A conversion and its environment; all jobrunners share the registry."""

    def __init__(self, directory: Path, sink: Sink | None = None, index: Index | None = None) -> None:
        self.directory = directory
        self.source, self.executor, self.converter = Source(), GatedExecutor(), Converter()
        self.sink, self.index, self.attached = sink or Sink(), index or Index(), Attached()
        self.executor.gate.set()
        self.conversions = Conversions(
            self.source, self.executor, self.converter, self.index, self.sink, self.attached, self.trusted
        )
        self.lines: list[str] = []

    async def trusted(self, project: str) -> tuple[str, ...]:
        """The trusted names of each project: a class named after it."""
        return (f"my.models:{project}",)

    async def convert(
        self, conversion: Conversion | None, name: str = "scratch", *, format_name: str | None = "SavedModel"
    ) -> object:
        """Run one job."""
        ref = ModelRef.parse("library/m:v1")
        spec = JobSpec(
            kind=JobKind.CONVERT,
            ref=ref,
            digest=DIGEST,
            registry="localhost:5000",
            format=format_name,
            conversion=conversion,
        )
        job = JobDocument(id="job-1", spec=spec, status=JobStatus(), created_at=NOW, updated_at=NOW)
        (self.directory / name).mkdir()
        return (await self.conversions.run_job(job, self.directory / name, self.lines.append)).converted


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_the_result_is_pushed_with_the_metadata_and_the_origin_of_its_source(rig: Rig) -> None:
    converted = await rig.convert(Conversion(to="ONNX"))
    [(where, modelfile)] = rig.sink.pushed.items()
    assert where == "localhost:5000/library/m:v1-onnx"
    assert (modelfile.author, modelfile.format, modelfile.size) == ("Jo", "ONNX", None)
    assert modelfile.labels == {
        "team": "vision",
        "klever.dev/converted-from": f"library/m@{DIGEST}",
        "klever.dev/measured-error": "0",
    }
    assert converted.digest == MADE  # type: ignore[attr-defined]
    assert rig.converter.calls[0].signature == SIGNATURE
    assert "12 operators" in rig.lines


async def test_a_repeated_request_is_answered_without_work(rig: Rig) -> None:
    await rig.convert(Conversion(to="ONNX"), "first")
    converted = await rig.convert(Conversion(to="ONNX", ref=ModelRef.parse("other/name:v7")), "second")
    assert (rig.source.fetched, len(rig.converter.calls)) == (1, 1)
    assert converted.is_cached  # type: ignore[attr-defined]
    assert list(rig.sink.pushed) == ["localhost:5000/library/m:v1-onnx", "localhost:5000/other/name:v7"]


@pytest.mark.parametrize("change", ["options", "tools"])
async def test_other_options_or_other_tools_convert_again(rig: Rig, change: str) -> None:
    await rig.convert(Conversion(to="ONNX"), "first")
    if change == "tools":
        rig.converter.version = "2"
    await rig.convert(Conversion(to="ONNX", quantize=Quantization.INT8 if change == "options" else None), "second")
    assert len(rig.converter.calls) == 2


async def test_a_failed_conversion_pushes_and_keeps_nothing(rig: Rig) -> None:
    rig.converter.error = JobError("no Foo", code=UNSUPPORTED_OPERATOR)
    with pytest.raises(JobError, match="no Foo"):
        await rig.convert(Conversion(to="ONNX"), "first")
    assert rig.sink.pushed == {}
    rig.converter.error = None
    await rig.convert(Conversion(to="ONNX"), "second")
    assert len(rig.converter.calls) == 2


async def test_an_unrunnable_model_is_refused_before_a_toolchain_is_needed(rig: Rig) -> None:
    rig.executor.outcome = Signature(details={"signature": None})
    with pytest.raises(JobError, match="library/m:v1 cannot be converted: it is a SavedModel without a signature"):
        await rig.convert(Conversion(to="ONNX"))
    assert rig.converter.calls == []


async def test_a_format_without_a_parser_is_converted_without_a_signature(rig: Rig) -> None:
    rig.executor.outcome = JobError("cannot be parsed yet", code=UNSUPPORTED_FORMAT)
    await rig.convert(Conversion(to="ONNX"))
    assert rig.converter.calls[0].signature == Signature()


async def test_a_job_without_a_target_is_refused(rig: Rig) -> None:
    with pytest.raises(JobError) as failure:
        await rig.convert(None)
    assert failure.value.code == UNSUPPORTED_CONVERSION


@pytest.mark.parametrize(
    ("conversion", "result"),
    [
        (Conversion(to="ONNX"), "library/m:v1-onnx"),
        (Conversion(to="ONNX", quantize=Quantization.INT8), "library/m:v1-onnx-int8"),
        (Conversion(to="ONNX", ref=ModelRef.parse("a/b:c")), "a/b:c"),
    ],
)
def test_the_result_has_its_own_name(conversion: Conversion, result: str) -> None:
    assert str(conversion.result(ModelRef.parse("library/m:v1"))) == result


async def test_an_ambiguous_model_is_converted_as_its_author_declares(rig: Rig) -> None:
    rig.executor.outcome = Signature(inputs=(Tensor(name="x"),))
    rig.source.declared = DeclaredSignature(inputs=(DeclaredTensor(name="x", d_type="float", size=(-1, 4)),))
    await rig.convert(Conversion(to="ONNX"))
    assert rig.converter.calls[0].signature.inputs == (Tensor(name="x", dtype="float32", shape=(-1, 4)),)


async def test_another_jobrunner_publishes_the_result_of_the_first_without_work(tmp_path: Path) -> None:
    first = Rig(tmp_path)
    await first.convert(Conversion(to="ONNX"), "first")
    second = Rig(tmp_path, first.sink, first.index)
    converted = await second.convert(Conversion(to="ONNX", ref=ModelRef.parse("other/name:v7")), "second")
    assert converted.is_cached  # type: ignore[attr-defined]
    assert (second.source.fetched, second.converter.calls) == (0, [])


async def test_a_model_without_a_declared_format_is_converted_once_too(rig: Rig) -> None:
    await rig.convert(Conversion(to="ONNX"), "first", format_name=None)
    converted = await rig.convert(Conversion(to="ONNX"), "second", format_name=None)
    assert converted.is_cached  # type: ignore[attr-defined]
    assert len(rig.converter.calls) == 1


async def test_a_result_that_was_deleted_from_the_registry_is_converted_again(rig: Rig) -> None:
    await rig.convert(Conversion(to="ONNX"), "first")
    rig.sink.stored.clear()
    converted = await rig.convert(Conversion(to="ONNX"), "second")
    assert not converted.is_cached  # type: ignore[attr-defined]
    assert len(rig.converter.calls) == 2


async def test_a_result_that_could_not_be_compared_is_not_published(rig: Rig) -> None:
    rig.converter.verification = Verification(verified=False, reason="the check crashed")
    with pytest.raises(JobError, match=r"not published.*the check crashed.*--sample.*--allow-unverified") as failure:
        await rig.convert(Conversion(to="ONNX"), "first")
    assert failure.value.code == NOT_VERIFIED
    assert rig.sink.pushed == {}
    rig.converter.verification = Verification(verified=True)
    await rig.convert(Conversion(to="ONNX"), "second")
    assert len(rig.converter.calls) == 2


async def test_an_unverified_result_is_published_on_request_with_the_reason(rig: Rig) -> None:
    rig.converter.verification = Verification(verified=False, reason="the check crashed")
    await rig.convert(Conversion(to="ONNX", allow_unverified=True), "first")
    [modelfile] = rig.sink.pushed.values()
    assert modelfile.labels["klever.dev/unverified"] == "the check crashed"
    assert "klever.dev/measured-error" not in modelfile.labels
    with pytest.raises(JobError, match="not published"):  # despite the stored result of the first request
        await rig.convert(Conversion(to="ONNX"), "second")


async def test_the_result_has_its_own_measured_error_and_its_source_stays_unverified(rig: Rig) -> None:
    rig.source.labels = {"klever.dev/unverified": "no samples", "klever.dev/measured-error": "0.5"}
    worst = Difference(output="y", absolute=0.3, relative=0.0123, largest=2.0, range=24.4)
    rig.converter.verification = Verification(verified=True, differences=(worst,))
    await rig.convert(Conversion(to="ONNX", quantize=Quantization.INT8))
    [modelfile] = rig.sink.pushed.values()
    assert modelfile.labels["klever.dev/measured-error"] == "0.012"
    assert modelfile.labels["klever.dev/unverified"] == "no samples"


async def test_samples_come_with_the_request_or_from_a_reference(rig: Rig) -> None:
    await rig.convert(Conversion(to="ONNX", samples={"x": [1.5]}), "first")
    rig.attached.arrays = {"x": np.array([1.0, np.nan])}
    await rig.convert(Conversion(to="ONNX", samples_digest=SAMPLES), "second")
    first, second = (asked.samples["x"] for asked in rig.converter.calls)
    assert first == [1.5]
    assert np.array_equal(second, [1.0, np.nan], equal_nan=True)


def test_invalid_or_too_large_samples_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    np.savez(path, x=np.zeros(1000))
    assert read_samples(path)["x"].shape == (1000,)
    with pytest.raises(JobError, match="more than 4096"):
        read_samples(path, limit=4096)
    for content in (b"no archive", path.read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(JobError, match="cannot be read") as failure:
            read_samples(path)
        assert failure.value.code == INVALID_SAMPLES


async def test_the_converter_gets_the_trusted_classes_of_the_project(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.convert(Conversion(to="ONNX"))
    assert [each.trust for each in rig.converter.calls] == [("my.models:library",)]
