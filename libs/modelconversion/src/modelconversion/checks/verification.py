"""Verifies a conversion: runs source and result on the same samples, and compares the outputs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.codes import INVALID_SAMPLES, TOOLCHAIN_FAILED, VERIFICATION_FAILED
from kleverproto.conversions import Difference, Verification
from kleverproto.signatures import Signature
from modelconversion.errors import RESOURCE_CODES, ConversionError
from modelconversion.pairs import HINTS, RUNNERS, Runner, Tolerance
from modelconversion.workshop import Workshop, request_for
from modelformats.threads import in_thread

from .comparison import Outputs, compare
from .hints import Hints, read_hints
from .samples import NoSamplesError, Samples, given_samples, samples_for


@dataclass(frozen=True)
class Subject:
    """A model to run."""

    directory: Path
    format: str
    signature: Signature = field(default_factory=Signature)
    """Options of its runner; runners that read the model itself need none."""
    options: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    """Inputs as arrays or nested lists by name; empty to generate them from signature and hints."""


@dataclass(frozen=True)
class Programs:
    """The programs for verification, by format."""

    runners: Mapping[str, Runner] = field(default_factory=lambda: RUNNERS)
    """Programs that run a model."""
    hints: Mapping[str, Runner] = field(default_factory=lambda: HINTS)
    """Programs that read hints for samples."""


async def verify(
    source: Subject, result: Subject, tolerance: Tolerance, workshop: Workshop, programs: Programs
) -> Verification:
    """Compare the models' outputs. If that is not possible, the reason is in the verification.

    Raises ConversionError: verification_failed if they differ beyond the tolerance or the result cannot be run,
    invalid_samples if the source does not run on the user's samples, and the errors of programs that exceed limits.
    """
    started = time.monotonic()
    for subject in (source, result):
        if subject.format not in programs.runners:
            return Verification(verified=False, reason=f"models of format {subject.format} cannot be run here")
    try:
        samples = await _samples(source, result, workshop, programs)
    except NoSamplesError as error:
        return Verification(verified=False, reason=str(error))
    with TemporaryDirectory(prefix="klever-verification-") as scratch:
        runs = _Runs(Path(scratch), workshop, programs)
        await in_thread(runs.save, samples)
        try:
            expected = await runs.outputs(source)
        except ConversionError as error:
            if error.code in RESOURCE_CODES:
                raise
            if source.samples:
                raise ConversionError(INVALID_SAMPLES, f"the source does not run on the samples: {error}") from error
            return Verification(verified=False, reason=f"the source does not run on generated samples: {error}")
        try:
            got = await runs.outputs(result)
        except ConversionError as error:
            if error.code in RESOURCE_CODES:
                raise
            raise ConversionError(VERIFICATION_FAILED, f"the converted model does not run: {error}") from error
    differences = _compared(source, expected, got, tolerance)
    seconds = round(time.monotonic() - started, 3)
    return _judged(Verification(verified=True, differences=differences, seconds=seconds))


def _compared(source: Subject, expected: Outputs, got: Outputs, tolerance: Tolerance) -> tuple[Difference, ...]:
    try:
        return compare(expected, got, tolerance)
    except ConversionError as error:
        if source.samples:
            raise
        advice = "the inputs were generated: add samples with `klever convert ... --sample NAME=@FILE`"
        raise ConversionError(error.code, f"{error}; {advice}") from error


def _judged(verification: Verification) -> Verification:
    """Return the verification, but not verified if all outputs agree only on uninformative values."""
    notes = [difference.note for difference in verification.differences]
    if not notes or not all(notes):
        return verification
    first: Difference = verification.differences[0]
    return verification.model_copy(update={"verified": False, "reason": f"output {first.output}: {first.note}"})


async def _samples(source: Subject, result: Subject, workshop: Workshop, programs: Programs) -> list[Samples]:
    """Return the user's samples, or sets generated from the signatures; the result's may complete the source's."""
    if source.samples:
        return [given_samples(source.samples, source.signature.inputs or result.signature.inputs)]
    hints = await _hints(source, result, workshop, programs)
    try:
        return samples_for(source.signature.inputs, hints)
    except NoSamplesError:
        if not result.signature.inputs:
            raise
        return samples_for(result.signature.inputs, hints)


async def _hints(source: Subject, result: Subject, workshop: Workshop, programs: Programs) -> Hints:
    """Return the combined hints of both models; empty if a program fails, since hints are optional."""
    known = Hints()
    for subject in (result, source):
        program = programs.hints.get(subject.format)
        if program is None:
            continue
        with TemporaryDirectory(prefix="klever-hints-") as scratch:
            path = Path(scratch) / "hints.npz"
            path.touch()  # the program may write into existing files
            try:
                request = await _request(subject)
                await workshop.run(program.toolchain, program.program, _on(request, path, path))
                known = known.with_more(read_hints(await in_thread(_load, path, program.program)))
            except (ConversionError, ValueError, TypeError, IndexError) as error:
                workshop.on_line(f"no hints for samples from the {subject.format} model: {error}")
    return known.renamed(
        [tensor.name for tensor in result.signature.inputs], [tensor.name for tensor in source.signature.inputs]
    )


async def _request(subject: Subject) -> dict[str, Any]:
    return await in_thread(request_for, subject.directory, subject.format, subject.signature, subject.options)


@dataclass(frozen=True)
class _Runs:
    """Runs models on sets of samples in one directory."""

    scratch: Path
    workshop: Workshop
    programs: Programs

    @property
    def _samples(self) -> Path:
        return self.scratch / "samples"

    def save(self, samples: list[Samples]) -> None:
        """Write the sets, in order."""
        self._samples.mkdir()
        for number, arrays in enumerate(samples):
            _save(self._samples / f"{number:02}.npz", arrays)

    async def outputs(self, subject: Subject) -> dict[str, NDArray[Any]]:
        """Return the outputs of a model; only the set on which it ran is kept for the next model."""
        runner = self.programs.runners[subject.format]
        self.workshop.on_line(f"running the {subject.format} model on samples")
        results = self.scratch / "results"
        results.mkdir()
        request = await _request(subject)
        await self.workshop.run(runner.toolchain, runner.program, _on(request, self._samples, results))
        return await in_thread(self._take, results, runner.program)

    def _take(self, results: Path, program: str) -> dict[str, NDArray[Any]]:
        (used, *_) = [*results.glob("*.npz"), results / "none.npz"]
        outputs = _load(used, program)
        used.unlink()
        results.rmdir()
        for path in self._samples.iterdir():
            if path.name != used.name:
                path.unlink()
        return outputs


def _on(request: Mapping[str, Any], samples: Path, results: Path) -> dict[str, Any]:
    return {**request, "samples": str(samples), "results": str(results)}


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub has the keyword allow_pickle in mind


def _load(path: Path, program: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise ConversionError(TOOLCHAIN_FAILED, f"{program} wrote no readable outputs: {error}") from error
