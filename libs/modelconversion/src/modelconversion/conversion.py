"""Converts a model: runs the steps of the cheapest route, and checks the result against the source."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kleverproto.codes import TOOLCHAIN_FAILED
from kleverproto.conversions import ConversionRecord, ConversionStep
from kleverproto.signatures import Signature
from modelformats.catalogue import KNOWN_FORMATS, extract_signature
from modelformats.errors import InvalidModelError
from modelformats.threads import in_thread

from .checks.verification import Programs, Subject, verify
from .errors import ConversionError
from .execution import Limits
from .pairs import Pair, Tolerance, tolerance_of
from .planner import plan
from .workshop import Toolchains, Workshop, check_empty, check_result, request_for


async def convert(  # noqa: PLR0913  # what, from what, to what, and where it is done
    source_dir: Path,
    source_format: str,
    target_format: str,
    destination: Path,
    *,
    signature: Signature,
    options: Mapping[str, str],
    samples: Mapping[str, Any],
    toolchains: Toolchains,
    limits: Limits,
    on_line: Callable[[str], None],
    trust: tuple[str, ...] = (),
) -> ConversionRecord:
    """Convert the model into `destination`, an empty directory, and describe the conversion.

    `signature` is that of the source: shapes and names that its files do not contain are taken from it. `samples` are
    inputs for the verification, by name; by default they are generated from the signature. Pickles may load the classes
    and functions in `trust` besides the known ones. Raises ConversionError; the content of `destination` is then
    incomplete.
    """
    workshop = Workshop(toolchains, limits, on_line, trust=trust)
    return await convert_along(
        plan(source_format, target_format, options),
        Subject(source_dir, source_format, signature, options, samples),
        destination,
        workshop,
    )


async def convert_along(
    route: tuple[Pair, ...],
    source: Subject,
    destination: Path,
    workshop: Workshop,
    programs: Programs = Programs(),  # noqa: B008  # immutable
) -> ConversionRecord:
    """Run the steps of a route in order, and verify the last result against the source."""
    started = time.monotonic()
    check_empty(destination)
    steps = []
    with TemporaryDirectory(prefix="klever-steps-") as scratch:
        here = source.directory
        for number, pair in enumerate(route, 1):
            there = destination if number == len(route) else Path(scratch) / str(number)
            there.mkdir(exist_ok=True)
            workshop.on_line(f"step {number} of {len(route)}: {pair.source} to {pair.target}")
            steps.append(
                await _step(pair, Subject(here, pair.source, source.signature, source.options), there, workshop)
            )
            here = there
    target = route[-1].target
    tolerance = loosest(tolerance_of(pair, dict(source.options)) for pair in route)
    result = Subject(destination, target, await in_thread(_signature, target, destination))
    verification = await verify(source, result, tolerance, workshop, programs)
    return ConversionRecord(
        source_format=source.format,
        target_format=target,
        steps=tuple(steps),
        verification=verification,
        seconds=round(time.monotonic() - started, 3),
    )


def _signature(format_name: str, directory: Path) -> Signature:
    """Return the signature of the result; empty if its format cannot be parsed."""
    if format_name not in KNOWN_FORMATS:
        return Signature()
    try:
        return extract_signature(format_name, directory)
    except InvalidModelError as error:
        raise ConversionError(TOOLCHAIN_FAILED, f"the result is not a valid {format_name} model: {error}") from error


async def _step(pair: Pair, source: Subject, destination: Path, workshop: Workshop) -> ConversionStep:
    started = time.monotonic()
    options = {name: value for name, value in source.options.items() if name in pair.options}
    request = await in_thread(request_for, source.directory, pair.source, source.signature, options, destination)
    versions = await workshop.run(pair.toolchain, pair.program, request)
    check_result(destination, pair.program)
    return ConversionStep(
        source_format=pair.source,
        target_format=pair.target,
        program=pair.program,
        toolchain=pair.toolchain,
        options=options,
        versions=versions,
        seconds=round(time.monotonic() - started, 3),
    )


def loosest(tolerances: Iterable[Tolerance]) -> Tolerance:
    """Return the tolerance of a whole route: that of its least exact step."""
    every = tuple(tolerances)
    return Tolerance(max(each.relative for each in every), absolute=max(each.absolute for each in every))
