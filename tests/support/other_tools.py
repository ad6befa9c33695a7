"""Programs of other projects that handle models or signatures as OCI artifacts, run as by their users."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class OtherTool:
    """A program with its own home directories.

    Attributes:
        program: its file.
        options: placed before every command's arguments.
        environment: additional variables.
    """

    program: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    async def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run a command and return its standard output. Raises its error output if it fails."""
        process = await asyncio.create_subprocess_exec(
            self.program,
            *self.options,
            *arguments,
            cwd=cwd,
            env=os.environ | dict(self.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        assert process.returncode == 0, f"{self.program.name} {' '.join(arguments)}: {errors.decode()}{out.decode()}"
        return out.decode()
