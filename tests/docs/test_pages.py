"""Every command of the documentation, as a reader types it, page by page, each on a separate platform."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kleverkit.directories import toolchains_directory
from support.doc_pages import RUN, Block, blocks_of, shows
from support.net_namespace import NetNamespace, net_namespace
from support.waiting import eventually
from support.whole_platform import processes_below

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/ormb.md", "docs/serving.md", "docs/operations.md", "docs/sdk.md", "docs/events.md")
BLOCK_SECONDS = 180
FREE_PORTS = "no network namespace can be made here, and the pages want ports 8080, 8081, 5000 and 4222"


class Reader:
    """A reader who types the commands of a page, in an empty directory with a separate home."""

    def __init__(self, directory: Path, namespace: NetNamespace) -> None:
        self.directory = directory
        self._namespace = namespace
        self._scripts = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KLEVER_", "ORMB_", "XDG_"))}
        self._environment = kept | {
            "PATH": f"{self._scripts}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory / "home"),
            "KLEVER_HOME": str(directory / "home" / "klever"),
            "KLEVER_TOOLCHAINS": str(toolchains_directory()),
            "UV_PROJECT": str(ROOT),  # a reader types `uv run` in the repository
            "UV_NO_SYNC": "1",
        }

    async def follow(self, block: Block) -> str:
        """Run a block. Return the problem, or an empty string."""
        if block.marker == "file":
            (self.directory / block.argument).write_text(block.text)
            return ""
        if not block.is_run:
            return ""
        if block.marker == "terminal":
            return await self._in_a_terminal(block)
        return _complaint(block, *await self.run(block))

    async def run(self, block: Block) -> tuple[int, str]:
        """Return the exit code and the output."""
        process = await self._start(block, asyncio.subprocess.PIPE)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), BLOCK_SECONDS)
        except TimeoutError:
            process.kill()
            return -1, f"it has not ended within {BLOCK_SECONDS} s"
        return process.returncode or 0, out.decode()

    async def _in_a_terminal(self, block: Block) -> str:
        """Start a platform that keeps running, and wait until it is ready."""
        with (self.directory / "terminal.log").open("wb") as log:
            process = await self._start(block, log.fileno())

        async def is_ready() -> bool:
            status = Block(block.line, "sh", "klever status\n")
            return process.returncode is not None or (await self.run(status))[0] == 0

        await eventually(is_ready, within=60)
        return (self.directory / "terminal.log").read_text() if process.returncode else ""

    async def _start(self, block: Block, output: int) -> asyncio.subprocess.Process:
        program, *arguments = RUN[block.language]
        command = shutil.which(program, path=self._environment["PATH"]) or program
        return await asyncio.create_subprocess_exec(
            *self._namespace.command(command, *arguments, block.text),
            cwd=self.directory,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )


def _complaint(block: Block, code: int, printed: str) -> str:
    if (code != 0) != (block.marker == "fails"):
        return f"exit code {code}\n{block.text}---\n{printed}"
    if block.output is not None and not shows(printed, block.output):
        return f"the page shows\n{block.output}and it prints\n{printed}"
    return ""


@asynccontextmanager
async def reader(directory: Path) -> AsyncIterator[Reader]:
    """A reader with an empty directory, whose processes are stopped afterwards."""
    (directory / "home" / "klever").mkdir(parents=True)
    async with net_namespace() as namespace:
        if namespace is None:
            pytest.skip(FREE_PORTS)
        someone = Reader(directory, namespace)
        try:
            yield someone
        finally:
            await someone.run(Block(0, "sh", "klever down\n"))
            left = processes_below(directory)
            for process in left:
                process.kill()
        assert not left, f"{left} still run"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
async def test_a_page_does_what_it_says(page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    async with reader(tmp_path) as someone:
        for block in blocks_of((ROOT / page).read_text()):
            if block.marker == "not run":
                with capsys.disabled():
                    print(f"NOT RUN: {page}:{block.line}: {block.argument}")
            if complaint := await someone.follow(block):
                wrong.append(f"{page}:{block.line}: {complaint}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_is_not_run_says_why(page: str) -> None:
    blocks = blocks_of((ROOT / page).read_text())
    assert any(block.is_run for block in blocks)
    assert [block.line for block in blocks if block.marker == "not run" and not block.argument] == []
