"""A worker whose jobs do what their `format` says. Run as `jobs_worker.py <seconds>`."""

import os
import signal
import sys

from klever_jobrunner.adapters.worker import Task, serve
from klever_jobrunner.errors import OUT_OF_MEMORY, JobError
from kleverproto.jobs import JobResult
from kleverproto.signatures import Signature


def act(task: Task) -> JobResult:
    """Misbehave as requested, or return an answer that the test can compare."""
    return JobResult(signature=_act(task.format))


def _act(wish: str | None) -> Signature:
    match wish:
        case "exit":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            signal.pause()
        case "memory":
            return _eat()
        case "print":
            print('{"signature": "not an answer"}')
        case "large":
            return Signature(framework="x" * (2 << 20))
        case "environment":
            return Signature(framework=" ".join(os.environ))
        case _:
            pass
    return Signature(framework=str(os.getpid()))


def _eat() -> Signature:
    try:
        return Signature(framework=str(len(bytearray(4 << 30))))
    except MemoryError as error:
        raise JobError("raise KLEVER_JOBRUNNER_WORKER_MEMORY_MB", code=OUT_OF_MEMORY) from error


if __name__ == "__main__":
    serve(act, cpu_seconds=float(sys.argv[1]))
