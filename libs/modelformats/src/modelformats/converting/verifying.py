"""Check a conversion: run source and result on the same samples, and compare what they give."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.conversions import Verification
from kleverproto.signatures import Signature
from modelformats.threads import in_thread

from .comparing import compare
from .errors import OF_THE_MACHINE, ConversionError
from .pairs import RUNNERS, Runner, Tolerance
from .samples import NoSamplesError, given_samples, samples_for
from .workshop import Workshop, request_for


@dataclass(frozen=True)
class Subject:
    """A model to run."""

    directory: Path
    format: str
    signature: Signature = field(default_factory=Signature)
    """What its runner is told; one that reads the model itself needs nothing."""
    options: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    """Inputs to run it on, as nested lists by name; made from the signature where there are none."""


async def verify(
    source: Subject,
    result: Subject,
    tolerance: Tolerance,
    workshop: Workshop,
    runners: Mapping[str, Runner] = RUNNERS,
) -> Verification:
    """Compare the models' outputs. Where that is not possible, the reason is in the verification.

    Raises ConversionError: verification_failed when they differ beyond tolerance or the result cannot be run,
    invalid_samples when the source does not run on the given ones, and what running may raise when limits are reached.
    """
    started = time.monotonic()
    for subject in (source, result):
        if subject.format not in runners:
            return Verification(verified=False, reason=f"nothing here runs models of format {subject.format}")
    try:
        samples = _samples(source, result)
    except NoSamplesError as error:
        return Verification(verified=False, reason=str(error))
    with TemporaryDirectory(prefix="klever-verification-") as scratch:
        inputs = Path(scratch) / "inputs.npz"
        await in_thread(_save, inputs, samples)
        try:
            expected = await _outputs(source, inputs, workshop, runners)
        except ConversionError as error:
            if error.code in OF_THE_MACHINE:
                raise
            if source.samples:
                raise ConversionError("invalid_samples", f"the source does not run on the samples: {error}") from error
            return Verification(verified=False, reason=f"the source does not run on the samples: {error}")
        try:
            found = await _outputs(result, inputs, workshop, runners)
        except ConversionError as error:
            if error.code in OF_THE_MACHINE:
                raise
            raise ConversionError("verification_failed", f"the converted model does not run: {error}") from error
    differences = compare(expected, found, tolerance)
    return Verification(verified=True, differences=differences, seconds=round(time.monotonic() - started, 3))


def _samples(source: Subject, result: Subject) -> dict[str, NDArray[Any]]:
    """The given ones, or from the source's signature; the result's may know what the source's files do not tell."""
    if source.samples:
        return given_samples(source.samples, source.signature.inputs or result.signature.inputs)
    try:
        return samples_for(source.signature.inputs)
    except NoSamplesError:
        if not result.signature.inputs:
            raise
        return samples_for(result.signature.inputs)


async def _outputs(
    subject: Subject, inputs: Path, workshop: Workshop, runners: Mapping[str, Runner]
) -> dict[str, NDArray[Any]]:
    runner = runners[subject.format]
    workshop.on_line(f"running the {subject.format} model on samples")
    results = inputs.with_name(f"outputs-of-{subject.format}.npz")
    results.unlink(missing_ok=True)
    request = request_for(subject.directory, subject.signature, subject.options)
    await workshop.run(runner.toolchain, runner.program, {**request, "samples": str(inputs), "results": str(results)})
    return await in_thread(_load, results, runner.program)


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub has the keyword allow_pickle in mind


def _load(path: Path, program: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise ConversionError("toolchain_failed", f"{program} left no outputs that can be read: {error}") from error
