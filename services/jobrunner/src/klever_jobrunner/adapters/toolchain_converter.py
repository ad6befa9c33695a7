"""Conversions by programs that run in toolchains on this machine."""

import hashlib
from functools import cache
from pathlib import Path

from klever_jobrunner.errors import UNSUPPORTED_CONVERSION, JobError
from klever_jobrunner.ports import ConversionSource, Tell
from kleverproto.conversions import Conversion, ConversionRecord
from modelformats.converting.convert import convert
from modelformats.converting.errors import ConversionError, NoRouteError
from modelformats.converting.planning import plan
from modelformats.converting.recipes import read_recipe
from modelformats.converting.running import PROGRAMS, Limits
from modelformats.converting.toolchains import ToolchainStore


class ToolchainConverter:
    """See `ports.Converter`.

    Args:
        toolchains: where the environments are.
        limits: what one program may use.
    """

    def __init__(self, toolchains: ToolchainStore, limits: Limits) -> None:
        self._toolchains = toolchains
        self._limits = limits

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """See `ports.Converter`: the programs, and the recipes of the toolchains on the route."""
        try:
            route = plan(format_name, wanted.to, options_of(wanted))
            recipes = [read_recipe(pair.toolchain).digest for pair in route]
        except ConversionError as error:
            raise _as_job_error(error) from error
        return " ".join([programs_digest(), *recipes])

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, tell: Tell
    ) -> ConversionRecord:
        """See `ports.Converter`."""
        try:
            return await convert(
                source.directory,
                source.format,
                wanted.to,
                destination,
                signature=source.signature,
                options=options_of(wanted),
                toolchains=self._toolchains,
                limits=self._limits,
                on_line=tell,
            )
        except ConversionError as error:
            raise _as_job_error(error) from error


def options_of(wanted: Conversion) -> dict[str, str]:
    """What the programs are told."""
    return wanted.options | ({"quantize": wanted.quantize.value} if wanted.quantize else {})


@cache
def programs_digest() -> str:
    """Of all conversion programs, which share modules."""
    hasher = hashlib.sha256()
    for path in sorted(PROGRAMS.glob("*.py")):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def _as_job_error(error: ConversionError) -> JobError:
    code = UNSUPPORTED_CONVERSION if isinstance(error, NoRouteError) else error.code
    return JobError(str(error), code=code)
