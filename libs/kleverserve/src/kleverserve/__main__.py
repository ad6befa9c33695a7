"""`python -m kleverserve`: serve one model until SIGTERM.

Exit codes: 0 stopped as asked, 1 the address cannot be listened on, 2 wrong arguments, 3 the model cannot be loaded.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from .app import ADAPTERS, ServerOptions, load_model, serve
from .errors import ModelLoadError
from .logs import configure_logging
from .parameters import Parameters, parse_parameters

EXIT_CANNOT_LISTEN = 1
EXIT_CANNOT_LOAD = 3


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("kleverserve", description="Serve one model with the V2 inference protocol.")
    parser.add_argument("--model-dir", type=Path, required=True, help="holds ormbfile.yaml and model/")
    parser.add_argument("--format", required=True, help=f"the model's format: {', '.join(ADAPTERS)}")
    parser.add_argument("--name", required=True, help="what clients call the model")
    parser.add_argument("--version", required=True, help="the model's version, echoed in every answer")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port; the ready line says which")
    parser.add_argument("--threads", type=_positive, default=1, help="threads one run of the model may use")
    parser.add_argument("--parameters", type=_parameters, default=Parameters(), help='such as {"maxBatchRows": 32}')
    parser.add_argument("--drain-seconds", type=float, default=5.0, help="for requests in flight after SIGTERM")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Load, serve, drain; the exit code."""
    given = parse_arguments(arguments)
    configure_logging()
    options = ServerOptions(
        name=given.name,
        version=given.version,
        host=given.host,
        port=given.port,
        threads=given.parameters.threads or given.threads,
        max_batch_rows=given.parameters.max_batch_rows,
        drain_seconds=given.drain_seconds,
    )
    try:
        model = load_model(given.model_dir, format=given.format, threads=options.threads)
        uvloop.run(serve(model, options))
    except ModelLoadError as error:
        return _fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)
    except OSError as error:
        return _fail(f"cannot listen on {options.host}:{options.port}: {error}", EXIT_CANNOT_LISTEN)
    return 0


def _parameters(text: str) -> Parameters:
    try:
        return parse_parameters(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"kleverserve: {message}\n")
    return code


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    logging.shutdown()
    # A run that outlives the drain sits in a thread which Python would wait for; the process must not.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
