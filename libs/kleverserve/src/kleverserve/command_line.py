"""The command line of all model servers, and their exit codes.

Exit codes: 0 stopped on request, 1 the server exited unexpectedly or cannot listen on its address, 2 wrong arguments, 3
the model cannot be loaded.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from modelfiles.unpickling.allowlist import parse_trust

MAX_BODY_BYTES = 64 * 1024 * 1024
EXIT_CANNOT_LISTEN = 1
EXIT_CANNOT_LOAD = 3


def server_parser(program: str, description: str, formats: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all model servers share."""
    parser = argparse.ArgumentParser(program, description=description)
    parser.add_argument("--model-dir", type=Path, required=True, help="directory with ormbfile.yaml and model/")
    parser.add_argument("--format", required=True, help=f"the model's format: {', '.join(formats)}")
    parser.add_argument("--name", required=True, help="the model's name in requests")
    parser.add_argument("--version", required=True, help="the model's version, included in every response")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 is any free port; the ready line contains it")
    parser.add_argument(
        "--trust",
        type=_trusted,
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="a class or function that pickles may load in addition to the known ones; can be repeated",
    )
    parser.add_argument("--threads", type=_positive, default=1, help="number of threads for one run of the model")
    parser.add_argument("--drain-seconds", type=float, default=5.0, help="timeout for requests in flight after SIGTERM")
    parser.add_argument(
        "--max-body-bytes",
        type=_positive,
        default=MAX_BODY_BYTES,
        help="maximum size of an HTTP body, both compressed and decompressed, and of a gRPC message",
    )
    return parser


def fail(message: str, code: int) -> int:
    """Print the reason on one line, and return the exit code."""
    sys.stderr.write(f"kleverserve: {' '.join(message.split())}\n")
    return code


def _trusted(text: str) -> str:
    try:
        parse_trust(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
