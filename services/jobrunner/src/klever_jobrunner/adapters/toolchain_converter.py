"""Converts models with programs that run in toolchains on this machine."""

from dataclasses import replace
from pathlib import Path

from klever_jobrunner.errors import DISK_FULL, JobError
from klever_jobrunner.ports import ConversionSource, OnLine
from kleverkit.errors import TransientError
from kleverproto.codes import UNSANDBOXED
from kleverproto.conversions import Conversion, ConversionRecord
from kleversandbox.support import Confinement
from modelconversion.conversion import convert
from modelconversion.errors import ConversionError
from modelconversion.execution import Limits
from modelconversion.fingerprint import fingerprint
from modelconversion.planner import plan
from modelconversion.toolchains.store import ToolchainStore
from modelformats.foreign_code import may_run_code


class ToolchainConverter:
    """See `ports.Converter`.

    Args:
        toolchains: the store of environments.
        limits: the limits of one program.
        confinement: the sandbox for models that may run code.
    """

    def __init__(self, toolchains: ToolchainStore, limits: Limits, confinement: Confinement) -> None:
        self._toolchains = toolchains
        self._limits = limits
        self._confinement = confinement

    def fingerprint(self, format_name: str, wanted: Conversion) -> str:
        """See `ports.Converter`."""
        options = options_of(wanted)
        try:
            return fingerprint(plan(format_name, wanted.to, options), options)
        except ConversionError as error:
            raise JobError(str(error), code=error.code) from error

    async def convert(
        self, source: ConversionSource, wanted: Conversion, destination: Path, on_line: OnLine
    ) -> ConversionRecord:
        """See `ports.Converter`."""
        runs_code = may_run_code(source.format)
        if runs_code and (refused := self._confinement.refusal(f"a model of format {source.format}")):
            raise JobError(refused, code=UNSANDBOXED)
        try:
            return await convert(
                source.directory,
                source.format,
                wanted.to,
                destination,
                signature=source.signature,
                options=options_of(wanted),
                samples=source.samples,
                toolchains=self._toolchains,
                limits=replace(self._limits, needs_sandbox=runs_code and not self._confinement.allow_unsandboxed),
                on_line=on_line,
                trust=source.trust,
            )
        except ConversionError as error:
            if error.code == DISK_FULL:
                raise TransientError(str(error), code=DISK_FULL) from error
            raise JobError(str(error), code=error.code) from error


def options_of(wanted: Conversion) -> dict[str, str]:
    """The options of the programs."""
    return wanted.options | ({"quantize": wanted.quantize.value} if wanted.quantize else {})
