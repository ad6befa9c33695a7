"""Conversion jobs: fetched, converted, described, pushed; and answered from what was kept."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from klever_jobrunner.conversion import Conversions
from klever_jobrunner.errors import UNSUPPORTED_CONVERSION, UNSUPPORTED_FORMAT, UNSUPPORTED_OPERATOR, JobError
from klever_jobrunner.ports import ConversionSource, FetchedModel, OnLine
from klever_jobrunner.results import KeptResult, Results
from kleverproto.conversions import Conversion, ConversionRecord, Quantization, Verification
from kleverproto.jobs import JobDocument, JobKind, JobSpec, JobStatus
from kleverproto.references import ModelRef
from kleverproto.signatures import Signature, Tensor
from ormb.modelfile import ModelFile, load_modelfile
from ormb.modelfile import Signature as DeclaredSignature
from ormb.modelfile import Tensor as DeclaredTensor
from support.jobs import NOW, SIGNATURE, GatedExecutor

DIGEST = f"sha256:{'a' * 64}"
MADE = f"sha256:{'b' * 64}"


@dataclass
class Source:
    """Has one model, whose author said something of it."""

    format: str | None = "SavedModel"
    fetched: int = 0
    declared: DeclaredSignature | None = None

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`."""
        assert spec.digest == DIGEST
        self.fetched += 1
        directory = destination / "model"
        directory.mkdir(parents=True)
        said = ModelFile(author="Jo", format=self.format, labels={"team": "vision"}, size=7, signature=self.declared)
        return FetchedModel(directory, self.format, said)


@dataclass
class Converter:
    """Writes a file, or fails."""

    error: JobError | None = None
    version: str = "1"
    asked: list[ConversionSource] = field(default_factory=list)

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """See `ports.Converter`."""
        return f"{format_name}-{wanted.to}-{self.version}"

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """See `ports.Converter`."""
        self.asked.append(source)
        if self.error:
            raise self.error
        on_line("12 operators")
        (destination / "model.onnx").write_text(wanted.to)
        checked = Verification(verified=True)
        return ConversionRecord(
            source_format=source.format, target_format=wanted.to, steps=(), verification=checked, seconds=1.5
        )


@dataclass
class Sink:
    """Remembers what was pushed."""

    pushed: dict[str, ModelFile] = field(default_factory=dict)

    async def publish(self, ref: ModelRef, registry: str, directory: Path, record: ConversionRecord) -> str:
        """See `ports.ModelSink`."""
        assert record.verification.verified
        assert (directory / "model" / "model.onnx").exists()
        self.pushed[f"{registry}/{ref}"] = load_modelfile((directory / "ormbfile.yaml").read_text())
        return MADE


class Rig:
    """A conversion work and its surroundings."""

    def __init__(self, directory: Path, results: Results | None = None) -> None:
        self.directory = directory
        self.source, self.executor, self.converter, self.sink = Source(), GatedExecutor(), Converter(), Sink()
        self.executor.gate.set()
        kept = results or Results(directory / "kept", 10_000)
        self.work = Conversions(self.source, self.executor, self.converter, kept, self.sink)
        self.lines: list[str] = []

    async def do(self, conversion: Conversion | None, name: str = "scratch") -> object:
        """Run one job."""
        ref = ModelRef.parse("library/m:v1")
        spec = JobSpec(
            kind=JobKind.CONVERT,
            ref=ref,
            digest=DIGEST,
            registry="localhost:5000",
            format="SavedModel",
            conversion=conversion,
        )
        job = JobDocument(id="job-1", spec=spec, status=JobStatus(), created_at=NOW, updated_at=NOW)
        (self.directory / name).mkdir()
        return (await self.work.do(job, self.directory / name, self.lines.append)).converted


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_the_result_is_pushed_with_the_sources_metadata_and_says_where_it_comes_from(rig: Rig) -> None:
    converted = await rig.do(Conversion(to="ONNX"))
    [(where, said)] = rig.sink.pushed.items()
    assert where == "localhost:5000/library/m:v1-onnx"
    assert (said.author, said.format, said.size) == ("Jo", "ONNX", None)
    assert said.labels == {"team": "vision", "klever.dev/converted-from": f"library/m@{DIGEST}"}
    assert converted.digest == MADE  # type: ignore[attr-defined]
    assert rig.converter.asked[0].signature == SIGNATURE
    assert "12 operators" in rig.lines


async def test_the_same_request_is_answered_without_work(rig: Rig) -> None:
    await rig.do(Conversion(to="ONNX"), "first")
    converted = await rig.do(Conversion(to="ONNX", ref=ModelRef.parse("other/name:v7")), "second")
    assert (rig.source.fetched, len(rig.converter.asked)) == (1, 1)
    assert converted.is_cached  # type: ignore[attr-defined]
    assert list(rig.sink.pushed) == ["localhost:5000/library/m:v1-onnx", "localhost:5000/other/name:v7"]


@pytest.mark.parametrize("change", ["options", "tools"])
async def test_other_options_or_other_tools_convert_anew(rig: Rig, change: str) -> None:
    await rig.do(Conversion(to="ONNX"), "first")
    if change == "tools":
        rig.converter.version = "2"
    await rig.do(Conversion(to="ONNX", quantize=Quantization.INT8 if change == "options" else None), "second")
    assert len(rig.converter.asked) == 2


async def test_a_conversion_that_fails_pushes_and_keeps_nothing(rig: Rig) -> None:
    rig.converter.error = JobError("no Foo", code=UNSUPPORTED_OPERATOR)
    with pytest.raises(JobError, match="no Foo"):
        await rig.do(Conversion(to="ONNX"), "first")
    assert rig.sink.pushed == {}
    rig.converter.error = None
    await rig.do(Conversion(to="ONNX"), "second")
    assert len(rig.converter.asked) == 2


async def test_a_format_that_nobody_parses_is_converted_without_a_signature(rig: Rig) -> None:
    rig.executor.outcome = JobError("cannot be parsed yet", code=UNSUPPORTED_FORMAT)
    await rig.do(Conversion(to="ONNX"))
    assert rig.converter.asked[0].signature == Signature()


async def test_a_job_that_does_not_say_what_to_make_is_refused(rig: Rig) -> None:
    with pytest.raises(JobError) as failure:
        await rig.do(None)
    assert failure.value.code == UNSUPPORTED_CONVERSION


@pytest.mark.parametrize(
    ("conversion", "result"),
    [
        (Conversion(to="ONNX"), "library/m:v1-onnx"),
        (Conversion(to="ONNX", quantize=Quantization.INT8), "library/m:v1-onnx-int8"),
        (Conversion(to="ONNX", ref=ModelRef.parse("a/b:c")), "a/b:c"),
    ],
)
def test_the_result_has_a_name_of_its_own(conversion: Conversion, result: str) -> None:
    assert str(conversion.result(ModelRef.parse("library/m:v1"))) == result


async def test_what_the_files_leave_open_is_converted_as_the_author_declares_it(rig: Rig) -> None:
    rig.executor.outcome = Signature(inputs=(Tensor(name="x"),))
    rig.source.declared = DeclaredSignature(inputs=(DeclaredTensor(name="x", d_type="float", size=(-1, 4)),))
    await rig.do(Conversion(to="ONNX"))
    assert rig.converter.asked[0].signature.inputs == (Tensor(name="x", dtype="float32", shape=(-1, 4)),)


class SlowResults(Results):
    """Takes a result over when it is let."""

    def __init__(self, directory: Path, begun: Callable[[], object]) -> None:
        super().__init__(directory, 10_000)
        self.begun, self.gate = begun, threading.Event()

    def keep(self, key: str, result: Path, record: ConversionRecord) -> KeptResult:
        """See `Results`."""
        self.begun()
        self.gate.wait()
        return super().keep(key, result, record)


async def test_a_cancelled_job_ends_when_its_result_is_kept_whole(tmp_path: Path) -> None:
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    results = SlowResults(tmp_path / "kept", lambda: loop.call_soon_threadsafe(begun.set))
    rig = Rig(tmp_path, results)
    job = asyncio.create_task(rig.do(Conversion(to="ONNX"), "first"))
    await begun.wait()
    job.cancel()
    await asyncio.wait({job}, timeout=0.05)
    assert not job.done()  # whoever removes its scratch directory now would take the files along
    results.gate.set()
    await asyncio.gather(job, return_exceptions=True)
    assert job.cancelled()
    converted = await rig.do(Conversion(to="ONNX"), "second")
    assert converted.is_cached  # type: ignore[attr-defined]
