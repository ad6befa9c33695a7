"""A worker process: takes a task on each line of standard input, answers one line each, exits when its input ends.

Started by `adapters.worker_process`, in the sandbox, which it makes still smaller before it reads a foreign byte.
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
    """A line in."""

    action: Literal["extract", "scan"] = "extract"
    directory: Path
    format: str | None = None


class Reply(WireModel):
    """A line out: a result or a problem; the first one, which has neither, says that the worker is warm."""

    result: JobResult | None = None
    problem: Problem | None = None
    peak_mb: int
    """Most memory that the process has held so far."""


TaskFunction = Callable[[Task], JobResult]


def serve(perform: TaskFunction, *, cpu_seconds: float) -> None:
    """Perform tasks with this function until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group; the pool ends its workers itself
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
    """Take tasks; exit at once, even in the middle of a task, when the pool has closed the pipe or died."""
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
    """Keep standard output for answers; what a parser prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _limit_cpu(seconds: float) -> None:
    """Processor time is counted over the life of the process, so the limit grows with each task."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def _peak_mb() -> int:
    """Linux hands the peak of `getrusage` down from the parent, so it is read elsewhere there."""
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
