"""A complete conversion with programs of the test that this Python runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from textwrap import dedent

import pytest

from kleverproto.conversions import ConversionRecord
from kleverproto.signatures import Signature, Tensor
from modelconversion.checks.verification import Programs, Subject, verify
from modelconversion.conversion import convert, convert_along
from modelconversion.errors import ConversionError
from modelconversion.execution import PROGRAMS, Limits
from modelconversion.pairs import Pair, Runner
from modelconversion.workshop import Workshop

COPY = """
from .program import ProblemError, Request, main

def convert(request: Request) -> dict[str, str]:
    request.destination.joinpath("factor").write_text(
        str(float(request.source.joinpath("factor").read_text()) * float(request.options.get("times", 1)))
    )
    return {"copier": "1.0"}

if __name__ == "__main__":
    main(convert)
"""
RUN = """
from .program import Request, main
from .samples import first_that_runs, read_samples, write_results

def convert(request: Request) -> dict[str, str]:
    factor = float(request.source.joinpath("factor").read_text())
    write_results(request, {name: value * factor for name, value in read_samples(request).items()})
    return {}

if __name__ == "__main__":
    main(first_that_runs(convert))
"""
ROUTE = (
    Pair("Sketched", "Drafted", "copy", "any", options=frozenset({"times"})),
    Pair("Drafted", "Imagined", "copy", "any"),
)
PROGRAMS_OF_THE_TEST = Programs(dict.fromkeys(["Sketched", "Imagined"], Runner("run", "any")), hints={})
SIGNATURE = Signature(inputs=(Tensor(name="x", dtype="float32", shape=(-1, 4)),))


class ThisPython:
    """A toolchain that is already installed."""

    async def ensure(self, name: str, on_line: Callable[[str], None]) -> Path:
        on_line(f"toolchain {name} is ready")
        return Path(sys.executable)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    programs = tmp_path / "programs"
    copytree(PROGRAMS, programs)
    (programs / "copy.py").write_text(COPY)
    (programs / "run.py").write_text(RUN)
    return Workshop(ThisPython(), Limits(), lambda _: None, programs)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "factor").write_text("2.0")
    return directory


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    directory = tmp_path / "destination"
    directory.mkdir()
    return directory


async def converted(subject: Subject, destination: Path, workshop: Workshop) -> ConversionRecord:
    return await convert_along(ROUTE, subject, destination, workshop, PROGRAMS_OF_THE_TEST)


async def test_each_step_is_recorded_and_the_result_checked(
    source: Path, destination: Path, workshop: Workshop
) -> None:
    record = await converted(Subject(source, "Sketched", SIGNATURE, {"times": "1"}), destination, workshop)
    assert (record.source_format, record.target_format) == ("Sketched", "Imagined")
    assert [(step.program, step.options, step.versions) for step in record.steps] == [
        ("copy", {"times": "1"}, {"copier": "1.0"}),
        ("copy", {}, {"copier": "1.0"}),
    ]
    assert record.verification.verified
    assert [difference.absolute for difference in record.verification.differences] == [0]
    assert (destination / "factor").read_text() == "2.0"


async def test_a_result_that_computes_something_else_fails(source: Path, destination: Path, workshop: Workshop) -> None:
    with pytest.raises(ConversionError, match=r"differs from the source: output x differs.*--sample NAME") as caught:
        await converted(Subject(source, "Sketched", SIGNATURE, {"times": "1.5"}), destination, workshop)
    assert caught.value.code == "verification_failed"


async def test_the_record_of_an_unchecked_result_gives_the_reason(
    source: Path, destination: Path, workshop: Workshop
) -> None:
    record = await converted(Subject(source, "Sketched"), destination, workshop)
    assert not record.verification.verified
    assert record.verification.reason == "the inputs of the model are not known"


async def test_a_source_that_does_not_run_does_not_fail_the_conversion(
    tmp_path: Path, source: Path, workshop: Workshop
) -> None:
    broken = Subject(tmp_path / "nothing", "Sketched", SIGNATURE)
    verification = await verify(broken, Subject(source, "Imagined"), ROUTE[0].tolerance, workshop, PROGRAMS_OF_THE_TEST)
    assert not verification.verified
    assert verification.reason is not None
    assert verification.reason.startswith("the source does not run on generated samples")
    with pytest.raises(ConversionError, match="the converted model does not run"):
        await verify(
            Subject(source, "Sketched", SIGNATURE),
            Subject(tmp_path / "nothing", "Imagined"),
            ROUTE[0].tolerance,
            workshop,
            PROGRAMS_OF_THE_TEST,
        )


async def test_outputs_that_are_the_same_for_every_sample_verify_nothing(
    source: Path, destination: Path, workshop: Workshop
) -> None:
    (source / "factor").write_text("0.0")
    record = await converted(Subject(source, "Sketched", SIGNATURE, {"times": "7"}), destination, workshop)
    assert not record.verification.verified
    assert record.verification.reason == "output x: it is almost zero for all samples: agreement proves little"
    assert record.verification.differences


async def test_a_failing_hint_program_prevents_no_check(source: Path, destination: Path, workshop: Workshop) -> None:
    failing = Programs(PROGRAMS_OF_THE_TEST.runners, hints={"Sketched": Runner("copy", "any")})
    record = await convert_along(ROUTE, Subject(source, "Sketched", SIGNATURE), destination, workshop, failing)
    assert record.verification.verified


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("pass", "copy wrote no files", id="empty"),
        pytest.param("request.destination.joinpath('x').symlink_to('/etc/passwd')", "not regular files", id="link"),
    ],
)
async def test_a_result_without_files_is_refused(
    source: Path, destination: Path, workshop: Workshop, body: str, message: str
) -> None:
    code = f"""
        from .program import Request, main

        def convert(request: Request) -> dict[str, str]:
            {body}
            return {{}}

        main(convert)
    """
    (workshop.programs / "copy.py").write_text(dedent(code))
    with pytest.raises(ConversionError, match=message):
        await converted(Subject(source, "Sketched"), destination, workshop)


async def test_a_destination_with_files_is_refused(source: Path, workshop: Workshop) -> None:
    with pytest.raises(ConversionError, match="is not empty"):
        await converted(Subject(source, "Sketched"), source, workshop)


async def test_an_unsupported_conversion_is_refused_before_anything_runs(source: Path, destination: Path) -> None:
    with pytest.raises(ConversionError, match="PMML cannot be converted to ONNX"):
        await convert(
            source,
            "PMML",
            "ONNX",
            destination,
            signature=SIGNATURE,
            options={},
            samples={},
            toolchains=ThisPython(),
            limits=Limits(),
            on_line=print,
        )
