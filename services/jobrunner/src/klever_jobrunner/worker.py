"""A worker process: takes one job a line on standard input, answers one line each, ends when its input does.

Started by `adapters.local`. Limits are set here, by the process on itself, before it reads a foreign byte.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, BinaryIO

import modelformats
from klever_jobrunner.errors import INVALID_MODEL, OUT_OF_MEMORY, UNSUPPORTED_FORMAT


def main() -> None:
    """Serve until the pool closes the pipe; also when the pool's process is killed, so that no orphan stays."""
    memory_mb, seconds = int(sys.argv[1]), float(sys.argv[2])
    answers = _own_stdout()
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1024**2, memory_mb * 1024**2))
    _warm_up()
    _answer(answers, {"ready": True})
    for line in sys.stdin.buffer:
        _limit_cpu(seconds)
        _answer(answers, _extract(json.loads(line)))


def _own_stdout() -> BinaryIO:
    """Keep standard output for answers; what a parser prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def _warm_up() -> None:
    """Import what the first job would otherwise wait for."""
    import lxml.etree  # noqa: PLC0415, F401 - in the worker only
    import numpy as np  # noqa: PLC0415, F401
    import onnx  # noqa: PLC0415, F401

    from modelformats.formats import savedmodel_messages  # noqa: PLC0415, F401


def _limit_cpu(seconds: float) -> None:
    """Processor time is counted over the life of the process, so the limit moves on with each job."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def _extract(job: dict[str, str]) -> dict[str, Any]:
    try:
        signature = modelformats.extract_signature(job["format"], Path(job["directory"]))
    except modelformats.InvalidModelError as error:
        return _error(INVALID_MODEL, str(error))
    except modelformats.UnsupportedFormatError as error:
        return _error(UNSUPPORTED_FORMAT, str(error))
    except MemoryError:
        return _error(OUT_OF_MEMORY, "parsing the model needs more memory than a worker may use")
    return {"signature": signature.model_dump(mode="json")}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _answer(answers: BinaryIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    main()
