"""`python -m kleverserve`: serve one model until SIGTERM.

Exit codes: 0 stopped on request, 1 the server cannot listen on its address, 2 wrong arguments, 3 the model cannot be
loaded.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import uvloop

from modelfiles.unpickling.allowlist import trust_only

from .access import Access
from .app import ADAPTERS, ServerOptions, load_model, serve
from .command_line import EXIT_CANNOT_LISTEN, EXIT_CANNOT_LOAD, fail, server_parser
from .errors import ModelLoadError
from .logs import configure_logging
from .parameters import Parameters, parse_parameters
from .trial import try_model


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    description = "Serve one model with the V2 inference protocol."
    parser = server_parser("kleverserve", description, ADAPTERS)
    parser.add_argument("--parameters", type=_parameters, default=Parameters(), help='such as {"maxBatchRows": 32}')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Load the model, serve it and drain. Returns the exit code."""
    given = parse_arguments(arguments)
    configure_logging()
    trust_only(given.trust)
    options = ServerOptions(
        name=given.name,
        version=given.version,
        host=given.host,
        port=given.port,
        threads=given.parameters.threads or given.threads,
        max_batch_rows=given.parameters.max_batch_rows,
        drain_seconds=given.drain_seconds,
        max_body_bytes=given.max_body_bytes,
        access=Access.from_environment(os.environ),
    )
    try:
        model = load_model(given.model_dir, format=given.format, threads=options.threads)
        try_model(model)
        uvloop.run(serve(model, options))
    except ModelLoadError as error:
        return fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)
    except OSError as error:
        return fail(f"cannot listen on {options.host}:{options.port}: {error}", EXIT_CANNOT_LISTEN)
    return 0


def _parameters(text: str) -> Parameters:
    try:
        return parse_parameters(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    logging.shutdown()
    # Python would wait for the thread of a run that outlives the drain; this process must not.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
