"""Runs a subprocess and its children, which are terminated together, and passes its output on line by line."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kleverproto.codes import TOOLCHAIN_FAILED
from kleversandbox.starting import Start
from modelformats.threads import until_ended

from .errors import ConversionError

_LINE_BYTES = 4096
_KEPT_LINES = 20
_LAST_OUTPUT_SECONDS = 5.0


@dataclass(frozen=True)
class End:
    """The exit of a process."""

    status: int
    """Exit status, or the negative number of the signal that killed it."""
    timed_out: bool
    last_lines: tuple[str, ...]


async def run_group(start: Start, directory: Path, seconds: float, on_line: Callable[[str], None]) -> End:
    """Run a program in a separate session, and kill the whole session when it exits or the time is up.

    Raises ConversionError if its launcher cannot be run. If the call is cancelled, the session is killed.
    """
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    async with _output_to(kept, on_line) as output:
        timed_out = False
        options = {"cwd": directory, "env": start.environment, "pass_fds": start.descriptors, "stdout": output}
        async with session_of(*start.command, **options) as process:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
            timed_out = process.returncode is None
        status = await process.wait()
    return End(status, timed_out, tuple(kept))


@asynccontextmanager
async def session_of(*command: str, **options: Any) -> AsyncIterator[Process]:
    """Run a command in a separate session. At the end of the block, the whole session is killed, and has exited.

    This also applies if the block is cancelled while the command starts: asyncio then terminates only the command
    itself, not its children.

    Args:
        command: program and arguments.
        options: of `asyncio.create_subprocess_exec`.

    Raises:
        ConversionError: the command does not exist.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    )
    try:
        yield await until_ended(starting)
    except OSError as error:
        if starting.exception() is not error:
            raise
        message = f"{command[0]} cannot be run ({error.strerror}): install it"
        raise ConversionError(TOOLCHAIN_FAILED, message) from error
    finally:
        if not starting.cancelled() and starting.exception() is None:
            await _kill(starting.result())


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await until_ended(asyncio.ensure_future(process.wait()))


@asynccontextmanager
async def _output_to(kept: deque[str], on_line: Callable[[str], None]) -> AsyncIterator[int]:
    """Yield a descriptor to write to; its lines are passed on until its last holder has exited.

    With a pipe of asyncio, asyncio would wait for the holders of the pipe instead of for the process.
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
            # If the sandbox is not complete, a process of another session is not killed, and may hold the pipe.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_OUTPUT_SECONDS):
                    await pump
        finally:
            transport.close()


async def _pass_on(stream: asyncio.StreamReader, kept: deque[str], on_line: Callable[[str], None]) -> None:
    """Pass each line on. Long lines are split, so that memory use is limited."""
    rest = b""
    while chunk := await stream.read(_LINE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _pass_line(line, kept, on_line)
    if rest:
        _pass_line(rest, kept, on_line)


def _pass_line(line: bytes, kept: deque[str], on_line: Callable[[str], None]) -> None:
    text = line.decode(errors="replace").rsplit("\r", 1)[-1].rstrip()
    if text:
        kept.append(text)
        on_line(text)
