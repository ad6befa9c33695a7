"""A worker whose jobs do what their `format` says; run as `jobs_worker.py <memory MiB> <seconds>`."""

import os
import signal
import sys
from pathlib import Path

from klever_jobrunner.errors import OUT_OF_MEMORY, JobError
from klever_jobrunner.worker import serve
from kleverproto.signatures import Signature


def act(_directory: Path, wish: str | None) -> Signature:
    """Misbehave as wished, or answer with something that the test can compare."""
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
    serve(act, memory_mb=int(sys.argv[1]), cpu_seconds=float(sys.argv[2]))
