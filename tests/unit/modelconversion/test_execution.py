"""Programs run as subprocesses: their reports and their limits."""

import asyncio
import os
import sys
from pathlib import Path
from shutil import copytree
from textwrap import dedent

import pytest

from modelconversion.errors import ConversionError
from modelconversion.execution import PROGRAMS, Limits, run_program
from support.waiting import eventually

HEAD = "from .program import Request, ProblemError, main, print_progress\n"
FOOT = "\nif __name__ == '__main__':\n    main(convert)\n"


class Programs:
    """A copy of the programs, with an additional one of the test."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "programs"
        self.destination = root / "destination"
        self.destination.mkdir()
        copytree(PROGRAMS, self.directory)
        self.lines: list[str] = []

    async def run(self, code: str, **limits: float) -> dict[str, str]:
        (self.directory / "probe.py").write_text(HEAD + dedent(code) + FOOT)
        request = {"source": "/nonexistent", "destination": str(self.destination), "options": {"answer": 42}}
        return await run_program(
            Path(sys.executable),
            "probe",
            request,
            limits=Limits(**limits),  # type: ignore[arg-type]  # whole numbers where they must be
            on_line=self.lines.append,
            programs=self.directory,
        )

    async def failing(self, code: str, **limits: float) -> ConversionError:
        with pytest.raises(ConversionError) as caught:
            await self.run(code, **limits)
        return caught.value


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


async def test_a_program_reports_its_versions_and_its_lines_are_forwarded(programs: Programs) -> None:
    versions = await programs.run(
        """
        def convert(request: Request) -> dict[str, str]:
            print_progress(f"the answer is {request.options['answer']}")
            return {"tool": "1.0"}
        """
    )
    assert versions == {"tool": "1.0"}
    assert "the answer is 42" in programs.lines


async def test_a_problem_comes_with_its_code_and_message(programs: Programs) -> None:
    error = await programs.failing(
        """
        def convert(request: Request) -> dict[str, str]:
            raise ProblemError("unsupported_operator", "Mish is not supported: convert a model without it")
        """
    )
    assert (error.code, str(error)) == ("unsupported_operator", "Mish is not supported: convert a model without it")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param("raise ValueError('bad graph\\nmore')", "toolchain_failed", "ValueError: bad graph", id="raises"),
        pytest.param("import os; os._exit(3)", "toolchain_failed", "exited with 3", id="exits"),
        pytest.param("import os; os._exit(0)", "toolchain_failed", "exited with 0", id="silent"),
        pytest.param("import os; os.abort()", "toolchain_failed", "SIGABRT", id="aborts"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "out_of_memory", "higher limit", id="killed"),
        pytest.param("return [bytes(2**20) for _ in range(4096)]", "out_of_memory", "memory limit", id="memory"),
        pytest.param("raise RuntimeError('std::bad_alloc')", "out_of_memory", "memory limit", id="bad_alloc"),
        pytest.param("open('big', 'wb').write(bytes(2**21))", "toolchain_failed", "File too large", id="file"),
        pytest.param("raise OSError(28, 'No space left on device')", "disk_full", "No space", id="full"),
    ],
)
async def test_each_kind_of_failure_has_its_code(programs: Programs, body: str, code: str, message: str) -> None:
    error = await programs.failing(
        f"def convert(request):\n    {body}\n", memory_bytes=2**29, file_bytes=2**20, wall_seconds=30
    )
    assert error.code == code
    assert message in str(error)


@pytest.mark.parametrize(
    "limits", [pytest.param({"wall_seconds": 0.5}, id="wall"), pytest.param({"cpu_seconds": 1}, id="cpu")]
)
async def test_a_program_that_does_not_exit_is_killed(programs: Programs, limits: dict[str, float]) -> None:
    error = await programs.failing("def convert(request):\n    while True: pass\n", **limits)
    assert error.code == "timed_out"


async def test_child_processes_are_killed_with_their_program(programs: Programs) -> None:
    await programs.run(
        """
        import subprocess
        def convert(request: Request) -> dict[str, str]:
            child = subprocess.Popen(["sleep", "60"])
            (request.destination / "pid").write_text(str(child.pid))
            return {}
        """
    )
    await eventually(lambda: _has_ended(programs.destination / "pid"))


async def test_a_cancelled_call_kills_the_program(programs: Programs) -> None:
    started = asyncio.Event()

    async def run() -> None:
        programs.lines = _Announcing(started)
        await programs.run(
            """
            import os, signal
            def convert(request: Request) -> dict[str, str]:
                (request.destination / "pid").write_text(str(os.getpid()))
                print_progress("started")
                signal.pause()
            """
        )

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: _has_ended(programs.destination / "pid"))


async def _has_ended(pid_file: Path) -> bool:
    stat = await asyncio.to_thread(_stat, pid_file)
    return stat is None or " Z " in stat


def _stat(pid_file: Path) -> str | None:
    try:
        return Path("/proc", pid_file.read_text(), "stat").read_text()
    except OSError:
        return None


class _Announcing(list[str]):
    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self._event = event

    def append(self, line: str) -> None:
        super().append(line)
        if line == "started":
            self._event.set()


async def test_a_program_has_no_secrets_no_network_and_no_foreign_files(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    os.environ["KLEVER_SECRET_OF_A_TEST"] = "hidden"
    try:
        versions = await programs.run(
            f"""
            import os, socket
            def attempt(action):
                try:
                    return repr(action())
                except OSError as error:
                    return error.strerror
            def convert(request: Request) -> dict[str, str]:
                return {{
                    "variables": " ".join(sorted(os.environ)),
                    "network": attempt(socket.socket),
                    "secret": attempt(lambda: open({str(tmp_path / "secret")!r}).read()),
                }}
            """
        )
    finally:
        del os.environ["KLEVER_SECRET_OF_A_TEST"]
    assert "KLEVER_SECRET_OF_A_TEST" not in versions["variables"]
    assert (versions["network"], versions["secret"]) == ("Permission denied", "Permission denied")


async def test_an_endless_line_takes_no_memory(programs: Programs) -> None:
    await programs.run(
        """
        def convert(request: Request) -> dict[str, str]:
            print("x" * 1_000_000)
            return {}
        """
    )
    assert sum(len(line) for line in programs.lines) == 1_000_000
    assert max(len(line) for line in programs.lines) < 10_000


async def test_a_missing_toolchain_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be run"):
        await run_program(tmp_path / "python", "probe", {}, limits=Limits(), on_line=print)
