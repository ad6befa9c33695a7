"""A worker process: reads a task from each line of standard input, and writes one line with the reply.

It exits when its input ends. It is started by `adapters.worker_process` in a sandbox, which it restricts further before
it reads a model.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO, Literal

import modelformats
from klever_jobrunner.adapters import parsing
from klever_jobrunner.errors import JobError
from kleverproto.base import WireModel
from kleverproto.documents import Problem
from kleverproto.jobs import JobResult
from kleversandbox.inside import refuse_programs

KIBI = 1024


class Task(WireModel):
    """A line of input."""

    action: Literal["extract", "scan"] = "extract"
    directory: Path
    format: str | None = None


class Reply(WireModel):
    """A line of output: a result or a problem. The first one, with neither, announces that the worker is warm."""

    result: JobResult | None = None
    problem: Problem | None = None
    peak_mb: int
    """Peak memory of the process in MB."""


TaskFunction = Callable[[Task], JobResult]


def serve(perform: TaskFunction, *, cpu_seconds: float) -> None:
    """Perform tasks with this function until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is sent to the whole group; the pool stops its workers itself
    answers = _own_stdout()
    modelformats.preload()
    refuse_programs()
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(lines,), daemon=True).start()
    _send(answers, Reply(peak_mb=_peak_mb()))
    while True:
        task = Task.model_validate_json(lines.get())
        _limit_cpu(cpu_seconds)
        _send(answers, _reply(perform, task))


def _read(lines: SimpleQueue[bytes]) -> None:
    """Read tasks; exit immediately, even during a task, when the pool has closed the pipe or exited."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def _reply(perform: TaskFunction, task: Task) -> Reply:
    try:
        return Reply(result=perform(task), peak_mb=_peak_mb())
    except JobError as error:
        return Reply(problem=error.problem, peak_mb=_peak_mb())


def perform_task(task: Task) -> JobResult:
    """Scan or parse a model in this process. Raises JobError."""
    if task.action == "scan":
        return JobResult(scan=parsing.scan(task.directory))
    return JobResult(signature=parsing.extract(task.directory, task.format))


def _own_stdout() -> BinaryIO:
    """Reserve standard output for replies; redirect output of parsers to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _limit_cpu(seconds: float) -> None:
    """Increase the CPU time limit for a task: it applies to the total of the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def _peak_mb() -> int:
    """Peak memory in MB. On Linux, `getrusage` includes the parent's peak, so it is read from /proc."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) // KIBI
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIBI**2


def _send(answers: BinaryIO, reply: Reply) -> None:
    answers.write(reply.model_dump_json().encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    serve(perform_task, cpu_seconds=float(sys.argv[1]))
