"""A subprocess with everything it starts: ended together, its output passed on by line."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from modelformats.threads import until_ended

from .errors import ConversionError

_LINE_BYTES = 4096
_KEPT_LINES = 20
_LAST_OUTPUT_SECONDS = 5.0


@dataclass(frozen=True)
class End:
    """How a process ended."""

    status: int
    """Exit status; minus the signal that killed it."""
    timed_out: bool
    last_lines: tuple[str, ...]


async def run_group(
    command: list[str], environment: dict[str, str], seconds: float, on_line: Callable[[str], None]
) -> End:
    """Run a command in a session of its own, in its HOME, and kill the whole session when it ends or time is up.

    Raises ConversionError when there is no such command. A cancelled call kills it.
    """
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    async with _output_to(kept, on_line) as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=environment["HOME"],
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConversionError("toolchain_failed", f"{command[0]} cannot be run: {error.strerror}") from error
        timed_out = False
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = await until_ended(asyncio.ensure_future(process.wait()))
    return End(status, timed_out, tuple(kept))


@asynccontextmanager
async def _output_to(kept: deque[str], on_line: Callable[[str], None]) -> AsyncIterator[int]:
    """A descriptor to write to, whose lines are passed on until its last holder is gone.

    A pipe of asyncio's own would make it wait for whoever holds the pipe instead of for the process.
    """
    reader = asyncio.StreamReader()
    read_end, write_end = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    pump = asyncio.create_task(_pass_on(reader, kept, on_line))
    try:
        yield write_end
    finally:
        os.close(write_end)
        try:
            # A process that made a session of its own is not killed with ours, and may hold the pipe.
            with suppress(TimeoutError):
                await asyncio.wait_for(pump, _LAST_OUTPUT_SECONDS)
        finally:
            transport.close()


async def _pass_on(stream: asyncio.StreamReader, kept: deque[str], on_line: Callable[[str], None]) -> None:
    """Pass each line on; one that is too long is cut into several, so that memory stays bounded."""
    rest = b""
    while chunk := await stream.read(_LINE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _say(line, kept, on_line)
    if rest:
        _say(rest, kept, on_line)


def _say(line: bytes, kept: deque[str], on_line: Callable[[str], None]) -> None:
    text = line.decode(errors="replace").rsplit("\r", 1)[-1].rstrip()
    if text:
        kept.append(text)
        on_line(text)
