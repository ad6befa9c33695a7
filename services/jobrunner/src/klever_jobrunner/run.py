"""`python -m klever_jobrunner.run`: runs one job, as a process, in a container, or as a Kubernetes Job.

    python -m klever_jobrunner.run --request request.json --model exported/ --result result.json

The request is JSON: `{"spec": {...}, "trust": [...]}`, where `spec` is the one of a job. Without `--model` the model is
pulled from the registry of the spec by its digest. A converted model is pushed to that registry, or written to the
directory of `--output`. The command with that directory as `--converted` pushes it, without loading the model, so that
only containers that do not load the model need the credentials of the registry.

The outcome is JSON: `{"result": ..., "problem": ...}`. Each line of the job's log is `{"line": "..."}` on standard
error, or on the descriptor of `--progress-fd`.

Limits, toolchains, the sandbox and the registry's password are configured by the settings of the jobrunner
(`KLEVER_JOBRUNNER_…`). Exit codes: 0 success, 2 bad request, 10 permanent failure, 70 internal error, 75 retry later.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from kleverkit.logging import configure_logging
from kleverkit.settings import explain
from kleverproto.documents import Problem
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobKind
from kleverproto.mistakes import describe_mistakes
from ormb.client import OrmbClient
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

from .adapters.execution import toolchain_converter, worker_pool
from .adapters.model_directories import ConvertedDirectory, ModelDirectory, NoResults, OutputDirectory, SamplesFile
from .adapters.ormb_models import OrmbModels
from .adapters.registry_results import RegistryResults
from .domain.command import REQUEST_BYTES, ExitCode, RunOutcome, RunRequest
from .errors import INTERNAL
from .ports import Converter, ModelSink, ModelSource, OnLine, Operation, ResultIndex, SampleSource, TrustedNames
from .service.conversions import Conversions
from .service.extraction import Extraction, Scanning
from .service.single_job import run_single_job
from .settings import JobrunnerSettings

WORKER_STARTS = 3


class BadRequestError(Exception):
    """The request is not valid; the message contains the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = JobrunnerSettings()
        request = read_request(options.request, sys.stdin.buffer)
    except ValidationError as error:
        return _refuse(explain(error, JobrunnerSettings))
    except BadRequestError as error:
        return _refuse(str(error))
    configure_logging("jobrunner", level=settings.log_level, fmt=settings.log_format)
    code, outcome = asyncio.run(_run_until_signal(options, settings, request))
    _write_outcome(options, outcome)
    return int(code)


def read_request(path: str, stdin: BinaryIO) -> RunRequest:
    """Read a request from a file, or from standard input for `-`. Raises BadRequestError."""
    try:
        if path == "-":
            content = stdin.read(REQUEST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(REQUEST_BYTES + 1)
    except OSError as error:
        raise BadRequestError(f"the request cannot be read: {error}") from error
    if len(content) > REQUEST_BYTES:
        raise BadRequestError(f"the request has more than {REQUEST_BYTES} bytes")
    try:
        return RunRequest.model_validate_json(content)
    except ValidationError as error:
        raise BadRequestError(f"the request is not valid: {describe_mistakes(error, RunRequest)}") from error


async def _run_until_signal(
    options: argparse.Namespace, settings: JobrunnerSettings, request: RunRequest
) -> tuple[int, RunOutcome]:
    """Run the job; SIGTERM and SIGINT cancel it."""
    running = asyncio.create_task(_run(options, settings, request))
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await running
    except asyncio.CancelledError:
        problem = Problem(code=INTERNAL, message="the command was stopped before the job ended")
        return 128 + received[0], RunOutcome(problem=problem)


async def _run(
    options: argparse.Namespace, settings: JobrunnerSettings, request: RunRequest
) -> tuple[ExitCode, RunOutcome]:
    address, http = settings.registry_address, settings.registry_plain_http
    own = OwnRegistry.of(address, settings.registry_password_file, plain_http=http)
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="klever-job-")))
        client = await stack.enter_async_context(_client(own))
        operations = await _operations(options, settings, request, client, scratch, stack)
        (scratch / "job").mkdir()
        return await run_single_job(request, operations, scratch / "job", _progress(options.progress_fd), utc_now())


def _client(own: OwnRegistry | None) -> OrmbClient:
    """A client; `$ORMB_PLAIN_HTTP` has the same meaning as for `ormb-storage-initializer`."""
    return OrmbClient(default_root(), own=own, plain_http=bool(os.environ.get("ORMB_PLAIN_HTTP")))


async def _operations(
    options: argparse.Namespace,
    settings: JobrunnerSettings,
    request: RunRequest,
    client: OrmbClient,
    scratch: Path,
    stack: AsyncExitStack,
) -> dict[JobKind, Operation]:
    models, converter = OrmbModels(client), toolchain_converter(settings)
    source: ModelSource = ModelDirectory(options.model) if options.model else models
    samples: SampleSource = SamplesFile(options.samples) if options.samples else models
    sink: ModelSink = OutputDirectory(options.output) if options.output else models
    uses_registry = options.converted or not (options.output or options.model)
    results: ResultIndex = RegistryResults(client) if uses_registry else NoResults()
    conversion: Converter = ConvertedDirectory(options.converted, converter) if options.converted else converter
    pool = await stack.enter_async_context(worker_pool(settings, options.model or scratch, 1, starts=WORKER_STARTS))

    async def trusted(_project: str) -> TrustedNames:
        return request.trust

    return {
        JobKind.EXTRACT: Extraction(source, pool),
        JobKind.SCAN: Scanning(source, pool),
        JobKind.CONVERT: Conversions(source, pool, conversion, results, sink, samples, trusted),
    }


def _progress(descriptor: int) -> OnLine:
    def write(line: str) -> None:
        os.write(descriptor, json.dumps({"line": line}).encode() + b"\n")

    return write


def _write_outcome(options: argparse.Namespace, outcome: RunOutcome) -> None:
    text = outcome.model_dump_json(exclude_none=True) + "\n"
    if options.result == "-":
        with os.fdopen(os.dup(options.result_fd), "w") as stream:
            stream.write(text)
    else:
        Path(options.result).write_text(text)


def _refuse(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return int(ExitCode.BAD_REQUEST)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m klever_jobrunner.run", description="Run one job of the jobrunner.")
    parser.add_argument("--request", default="-", help="file with the request as JSON; default: standard input")
    parser.add_argument("--result", default="-", help="file for the outcome as JSON; default: standard output")
    parser.add_argument("--result-fd", type=int, default=1, help="descriptor for the outcome instead of --result")
    parser.add_argument("--model", type=Path, help="directory with the model; default: pull it from the registry")
    parser.add_argument("--output", type=Path, help="directory for a converted model; default: push it to the registry")
    parser.add_argument("--samples", type=Path, help="file with the samples of the request's `samplesDigest` (.npz)")
    parser.add_argument("--converted", type=Path, help="--output of an earlier run: push its result")
    parser.add_argument("--progress-fd", type=int, default=2, help="descriptor for the lines of the job's log")
    return parser


if __name__ == "__main__":
    sys.exit(main())
