"""The command that runs one job: its input, its output and its exit codes."""

import errno
import io
from pathlib import Path

import pytest

from klever_jobrunner.adapters.model_directories import ConvertedDirectory, ModelDirectory, OutputDirectory
from klever_jobrunner.domain.command import REQUEST_BYTES, ExitCode, RunRequest
from klever_jobrunner.errors import INVALID_MODEL, MODEL_NOT_FOUND, JobError
from klever_jobrunner.ports import ConversionSource, OnLine, StoredResult
from klever_jobrunner.run import BadRequestError, main, read_request
from klever_jobrunner.service.single_job import run_single_job
from kleverkit.errors import TransientError
from kleverproto.conversions import Conversion, ConversionRecord, Verification
from kleverproto.jobs import JobDocument, JobKind, JobResult
from kleverproto.references import ModelRef
from support.jobs import NOW, SCAN, SIGNATURE, request
from support.small_models import adder

SPEC = request().spec
RECORD = ConversionRecord(
    source_format="H5", target_format="ONNX", steps=(), verification=Verification(verified=True), seconds=1.5
)


class Scripted:
    """See `ports.Operation`: logs a line and ends with the given outcome."""

    def __init__(self, outcome: JobResult | Exception) -> None:
        self.outcome = outcome

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        on_line(f"{job.spec.ref} in {scratch.name}")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


FAILURES: list[tuple[Exception, ExitCode, str]] = [
    (JobError("damaged", code=INVALID_MODEL), ExitCode.FAILED, "invalid_model"),
    (TransientError("no answer"), ExitCode.TEMPORARY, "pull_failed"),
    (OSError(errno.ENOSPC, "No space left on device"), ExitCode.TEMPORARY, "disk_full"),
    (ZeroDivisionError("a fault"), ExitCode.INTERNAL, "internal"),
]


async def test_a_successful_job_leaves_its_result(tmp_path: Path) -> None:
    lines: list[str] = []
    operations = {JobKind.EXTRACT: Scripted(JobResult(signature=SIGNATURE))}
    code, outcome = await run_single_job(RunRequest(spec=SPEC), operations, tmp_path, lines.append, NOW)
    assert (code, outcome.problem) == (0, None)
    assert outcome.result == JobResult(signature=SIGNATURE)
    assert lines == [f"library/adder:v1 in {tmp_path.name}"]


@pytest.mark.parametrize(("error", "code", "problem"), FAILURES)
async def test_the_exit_code_tells_whether_a_retry_may_help(
    tmp_path: Path, error: Exception, code: ExitCode, problem: str
) -> None:
    operations = {JobKind.EXTRACT: Scripted(error)}
    ended, outcome = await run_single_job(RunRequest(spec=SPEC), operations, tmp_path, print, NOW)
    assert ended is code
    assert outcome.problem is not None
    assert outcome.problem.code == problem


async def test_findings_before_a_failure_are_part_of_the_outcome(tmp_path: Path) -> None:
    error = JobError("damaged", code=INVALID_MODEL, result=JobResult(scan=SCAN))
    operations = {JobKind.EXTRACT: Scripted(error)}
    _, outcome = await run_single_job(RunRequest(spec=SPEC), operations, tmp_path, print, NOW)
    assert outcome.result == JobResult(scan=SCAN)


async def test_a_kind_without_an_operation_fails(tmp_path: Path) -> None:
    code, _ = await run_single_job(RunRequest(spec=SPEC), {}, tmp_path, print, NOW)
    assert code is ExitCode.FAILED


def write(directory: Path, text: str) -> str:
    path = directory / "request.json"
    path.write_text(text)
    return str(path)


def test_a_request_is_read_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    text = RunRequest(spec=SPEC, trust=("my.models:Scaler",)).model_dump_json()
    assert read_request(write(tmp_path, text), io.BytesIO()).trust == ("my.models:Scaler",)
    assert read_request("-", io.BytesIO(text.encode())).spec == SPEC


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Invalid JSON"),
        ('{"spec": {"kind": "bake"}}', "kind"),
        ('{"spek": {}}', "spek"),
        (" " * (REQUEST_BYTES + 1), f"more than {REQUEST_BYTES} bytes"),
    ],
)
def test_an_invalid_request_is_refused_with_the_reason(content: str, says: str) -> None:
    with pytest.raises(BadRequestError, match=says):
        read_request("-", io.BytesIO(content.encode()))


def test_a_bad_request_has_its_own_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--request", str(tmp_path / "missing.json")]) == ExitCode.BAD_REQUEST
    assert "cannot be read" in capsys.readouterr().err


async def test_a_model_directory_is_read_with_its_authors_metadata(tmp_path: Path) -> None:
    directory = adder(tmp_path / "adder", 1)
    (directory / "ormbfile.yaml").write_text("format: ONNX\n")
    model = await ModelDirectory(directory).fetch(SPEC, tmp_path / "unused")
    assert (model.directory, model.format) == (directory / "model", "ONNX")
    bare = await ModelDirectory(directory / "model").fetch(SPEC, tmp_path / "unused")
    assert (bare.directory, bare.format) == (directory / "model", None)
    with pytest.raises(JobError) as failure:
        await ModelDirectory(tmp_path / "missing").fetch(SPEC, tmp_path / "unused")
    assert failure.value.code == MODEL_NOT_FOUND


async def test_an_output_directory_receives_the_model_its_record_and_the_digest_of_a_push(tmp_path: Path) -> None:
    made = adder(tmp_path / "made", 1)
    output = OutputDirectory(tmp_path / "output")
    digest = await output.publish(ModelRef.parse("library/m:v1-onnx"), "localhost:5000", made, RECORD)
    assert digest == await OutputDirectory(tmp_path / "again").publish(SPEC.ref, "localhost:5000", made, RECORD)
    assert digest.startswith("sha256:")
    assert (tmp_path / "output" / "model" / "model.onnx").is_file()
    assert ConversionRecord.model_validate_json((tmp_path / "output" / "conversion.json").read_text()) == RECORD
    assert not await output.republish(SPEC.ref, "localhost:5000", StoredResult(SPEC.ref, digest, RECORD))


class Converter:
    """See `ports.Converter`: has a fingerprint only."""

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        del format_name, wanted
        return "tools"

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        raise NotImplementedError


def converted_directory(directory: Path, record: str = RECORD.model_dump_json()) -> Path:
    """The output of a conversion."""
    result = adder(directory, 1)
    (result / "conversion.json").write_text(record)
    return result


def source(directory: Path) -> ConversionSource:
    return ConversionSource(directory, "H5", SIGNATURE)


async def test_a_converted_directory_is_used_with_its_record(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    converter = ConvertedDirectory(converted_directory(tmp_path / "converted"), Converter())
    wanted = Conversion(to="ONNX")
    record = await converter.convert(source(tmp_path), wanted, tmp_path / "result", print)
    assert (record, converter.fingerprint("H5", wanted)) == (RECORD, "tools")
    assert (tmp_path / "result" / "model.onnx").is_file()


@pytest.mark.parametrize("wanted", ["PMML", "ONNX"])
async def test_a_converted_directory_of_another_conversion_is_refused(tmp_path: Path, wanted: str) -> None:
    record = RECORD.model_copy(update={"source_format": "XGBoost"}).model_dump_json()
    converter = ConvertedDirectory(converted_directory(tmp_path / "converted", record), Converter())
    with pytest.raises(JobError, match="from XGBoost to ONNX"):
        await converter.convert(source(tmp_path), Conversion(to=wanted), tmp_path, print)


@pytest.mark.parametrize("place", ["conversion.json", "model"])
async def test_links_in_a_converted_directory_are_not_followed(tmp_path: Path, place: str) -> None:
    directory = converted_directory(tmp_path / "converted")
    (directory / place).rename(tmp_path / "elsewhere")
    (directory / place).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "result").mkdir()
    converter = ConvertedDirectory(directory, Converter())
    with pytest.raises(JobError):
        await converter.convert(source(tmp_path), Conversion(to="ONNX"), tmp_path / "result", print)
    assert not any((tmp_path / "result").iterdir())
