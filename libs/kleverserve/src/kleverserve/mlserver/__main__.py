"""`python -m kleverserve.mlserver`: serve one model with MLServer until SIGTERM.

Run by the Python of the toolchain `mlserver`. Exit codes: see `kleverserve.command_line`.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

from kleverserve.access import Access
from kleverserve.command_line import EXIT_CANNOT_LISTEN, EXIT_CANNOT_LOAD, fail, server_parser
from kleverserve.errors import ModelLoadError
from kleverserve.http_server import HEADER_BYTES
from kleverserve.logs import configure_logging
from kleverserve.ports import port_or_free
from modelfiles.unpickling.allowlist import trust_only

from .artifacts import IMPLEMENTATIONS, find_artifact

if TYPE_CHECKING:
    from mlserver import MLServer

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
GRPC_SETTINGS = {"grpc.max_metadata_size": HEADER_BYTES, "grpc.absolute_max_metadata_size": HEADER_BYTES}
OUR_LOGGING = {"version": 1, "disable_existing_loggers": False}
"""Keeps the handlers, so that MLServer and uvicorn also log JSON lines."""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = server_parser("kleverserve.mlserver", "Serve one model with MLServer.", IMPLEMENTATIONS)
    parser.add_argument(
        "--grpc-port", type=int, default=0, help="port for gRPC, which MLServer always serves; 0 is any free port"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Find the model, and run MLServer in this process. Returns the exit code."""
    given = parse_arguments(arguments)
    configure_logging()
    trust_only(given.trust)
    access = Access.from_environment(os.environ)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)  # the engines read it when they are imported
    try:
        artifact = find_artifact(given.model_dir, given.format)
        given.port = port_or_free(given.host, given.port)
        given.grpc_port = port_or_free(given.host, given.grpc_port)
        return asyncio.run(_serve(given, artifact, access))
    except ModelLoadError as error:
        return fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)
    except ImportError as error:
        message = f"cannot load the model: {error}: run it with the Python of the toolchain 'mlserver'"
        return fail(message, EXIT_CANNOT_LOAD)
    except OSError as error:
        return fail(f"cannot listen on {given.host}:{given.port}: {error}", EXIT_CANNOT_LISTEN)
    except SystemExit as error:  # raised by a runtime, which has logged the reason
        return int(str(error.code))


async def _serve(given: argparse.Namespace, artifact: Path, access: Access) -> int:
    from mlserver import MLServer, ModelSettings, Settings  # noqa: PLC0415  # slow, and after OMP_NUM_THREADS is set
    from mlserver.settings import ModelParameters  # noqa: PLC0415

    from .grpc_server import ClientsServer  # noqa: PLC0415
    from .rest import SERVER_SETTINGS, prepare  # noqa: PLC0415

    settings = Settings(
        debug=False,
        parallel_workers=0,
        host=given.host,
        http_port=given.port,
        grpc_port=given.grpc_port,
        grpc_max_message_length=given.max_body_bytes,
        metrics_endpoint=None,
        logging_settings=OUR_LOGGING,
    )
    settings._custom_rest_server_settings = SERVER_SETTINGS  # noqa: SLF001  # there is no other way to uvicorn's
    settings._custom_grpc_server_settings = GRPC_SETTINGS  # noqa: SLF001
    model = ModelSettings(
        name=given.name,
        implementation=IMPLEMENTATIONS[given.format],
        max_batch_size=0,  # never from environment variables, because rows of a model may depend on each other
        max_batch_time=0.0,
        parameters=ModelParameters(uri=str(artifact), version=given.version, extra=_extra(given)),
    )
    server = MLServer(settings)
    prepare(server._rest_server._app, limit=given.max_body_bytes, access=access)  # noqa: SLF001
    server._grpc_server = ClientsServer(server._grpc_server, access)  # noqa: SLF001
    logging.getLogger("mlserver").handlers.clear()  # otherwise each line is written twice
    stopping = _stop_on_signals(server, given.drain_seconds)
    announcing = asyncio.create_task(_announce(given, server))
    await server.start([model])
    announcing.cancel()
    return 0 if stopping.is_set() else fail("MLServer exited unexpectedly: see its log", EXIT_CANNOT_LISTEN)


def _extra(given: argparse.Namespace) -> dict[str, str | int]:
    """Return the parameters of Klever's runtimes that MLServer does not have."""
    return {"directory": str(given.model_dir / "model"), "threads": given.threads}


def _stop_on_signals(server: "MLServer", drain_seconds: float) -> asyncio.Event:
    """Let MLServer drain on SIGTERM and SIGINT, and exit after a timeout.

    Returns an event that is set by the signal.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    timer = Timer(drain_seconds, _exit_now)
    timer.daemon = True
    tasks = []

    def stop(signum: signal.Signals) -> None:
        if not stopping.is_set():
            stopping.set()
            timer.start()
            tasks.append(loop.create_task(server.stop(signum)))

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop, signum)
    return stopping


def _exit_now() -> None:
    """Exit at once: a run in progress cannot be interrupted, and MLServer would wait for it."""
    log.warning("closing with requests in flight")
    sys.stdout.flush()
    os._exit(0)


async def _announce(given: argparse.Namespace, server: "MLServer") -> None:
    # MLServer does not announce it. A request over HTTP would need a connection, which the sandbox rejects.
    while not await _is_ready(server):  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    facts = {"host": given.host, "port": given.port, "grpc_port": given.grpc_port}
    log.info("ready", extra={"facts": facts | {"model": given.name, "version": given.version}})


async def _is_ready(server: "MLServer") -> bool:
    """Return whether the server listens and has loaded its model."""
    rest = getattr(server._rest_server, "_server", None)  # noqa: SLF001  # None before it is started
    models = await server._model_registry.get_models()  # noqa: SLF001
    return rest is not None and rest.started and bool(models) and all(model.ready for model in models)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # gRPC logs many errors if the event loop ends first
