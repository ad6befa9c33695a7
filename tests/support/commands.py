"""Commands as a user types them."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = {"klever": ("-m", "klever.cli"), "ormb": ("-m", "ormb.cli")}


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    code: int
    out: str
    err: str


class Shell:
    """Runs `klever` and `ormb` with a separate home.

    Args:
        home: the value of `$KLEVER_HOME`, which also holds the files of `ormb`.
        directory: the working directory.
    """

    def __init__(self, home: Path, directory: Path) -> None:
        self.environment = os.environ | {
            "KLEVER_HOME": str(home),
            "HOME": str(home),
            "NO_COLOR": "1",
            "TMPDIR": str(directory),
        }
        self.directory = directory

    async def start(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command whose output is read through pipes."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *PROGRAMS[program], *arguments),
            cwd=self.directory,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, line: str) -> Done:
        """Run a command line until it exits, with any exit code."""
        process = await self.start(*line.split())
        out, err = await process.communicate()
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, line: str) -> str:
        """Run a command line that must succeed. Return its standard output."""
        done = await self.run(line)
        assert done.code == 0, f"{line}\n{done.out}\n{done.err}"
        return done.out
