"""The composition root: the adapter of a model format, the HTTP application, and its lifecycle until SIGTERM."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from aiohttp import web

from modelfiles.runtimes import RUNTIMES
from modelfiles.selection import FileSelectionError

from .access import EVERYBODY, Access
from .batching import Batcher, allowed_batch_rows
from .bodies import MOST_BYTES
from .command_line import MAX_BODY_BYTES
from .errors import ModelLoadError
from .http_server import Runner
from .lane import Lane
from .lifecycle import Lifecycle
from .metrics import Metrics
from .middleware import make_middleware
from .model import Model, ModelLoader
from .openscoring_routes import PMML_PLATFORMS, OpenScoring
from .routes import Routes

log = logging.getLogger(__name__)

ADAPTERS = {name: f"kleverserve.adapters.{name.lower()}" for name in RUNTIMES["kleverserve"].served_here}
"""Modules that load models, by format."""
LAST_ANSWERS_SECONDS = 0.5  # for writing responses to slow clients after the drain


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options for serving one model."""

    name: str
    """The model's name in requests."""
    version: str
    host: str = "127.0.0.1"
    port: int = 0
    """0 is any free port."""
    threads: int = 1
    """Number of threads that one run of the model may use. The number of parallel runs is that of the cores."""
    drain_seconds: float = 5.0
    """Seconds for requests in flight to finish after SIGTERM."""
    max_body_bytes: int = MAX_BODY_BYTES
    """Maximum size of the body of a request, both compressed and decompressed."""
    access: Access = EVERYBODY
    """Authentication of requests."""
    max_batch_rows: int | None = None
    """Maximum number of rows in a batch of requests; None leaves it to the model. See `allowed_batch_rows`."""


def load_model(directory: Path, *, format: str, threads: int) -> Model:  # noqa: A002 - the field's word, as in --format
    """Load the files in `directory`/model with the adapter of a format.

    Raises:
        ModelLoadError: the format is unknown, its engine is not installed, or the adapter cannot load the files.
    """
    if format not in ADAPTERS:
        raise ModelLoadError(f"the format {format} cannot be served; the formats are: {', '.join(sorted(ADAPTERS))}")
    files = directory / "model"
    if not files.is_dir():
        raise ModelLoadError(f"{directory} contains no 'model' directory with the model's files")
    try:
        load = cast("ModelLoader", import_module(ADAPTERS[format]).load)
    except ImportError as error:
        raise ModelLoadError(f"the engine for {format} is not installed here: {error}") from error
    try:
        return load(files, threads=threads)
    except FileSelectionError as error:
        raise ModelLoadError(str(error)) from error


def build_application(
    model: Model, options: ServerOptions, *, lifecycle: Lifecycle, pool: ThreadPoolExecutor
) -> web.Application:
    """Return the HTTP application for a loaded model. It does not listen yet."""
    metrics = Metrics(model=options.name, version=options.version, in_flight=lambda: lifecycle.in_flight)
    lane = Lane(pool)
    rows = allowed_batch_rows(model, options.max_batch_rows)
    at_once = _runs_at_once(options.threads)
    batcher = Batcher(model, lane, max_rows=rows, observe=metrics.observe_rows, runs_at_once=at_once)
    routes = Routes(model, name=options.name, version=options.version, lane=lane, batcher=batcher, lifecycle=lifecycle)
    application = web.Application(
        client_max_size=options.max_body_bytes, middlewares=[make_middleware(lifecycle, metrics, options.access)]
    )
    application[MOST_BYTES] = options.max_body_bytes
    application.add_routes(routes.table(metrics))
    if model.platform in PMML_PLATFORMS:
        application.add_routes(OpenScoring(model, name=options.name, lane=lane).table())
    return application


@asynccontextmanager
async def serving(model: Model, options: ServerOptions, lifecycle: Lifecycle) -> AsyncIterator[int]:
    """Serve during the block; yields the port.

    Raises:
        ModelLoadError: more rows per run are requested than the model supports; see `allowed_batch_rows`.
        OSError: the server cannot listen on the address.
    """
    pool = ThreadPoolExecutor(_runs_at_once(options.threads), thread_name_prefix="predict")
    application = build_application(model, options, lifecycle=lifecycle, pool=pool)
    runner = Runner(application, shutdown_timeout=LAST_ANSWERS_SECONDS, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
        pool.shutdown(wait=False, cancel_futures=True)


async def serve(model: Model, options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    While draining, `ready` responds with 503, but requests are still accepted, because a router may not have noticed
    yet. The server closes when no request is in flight, or after `drain_seconds`.

    Raises:
        ModelLoadError, OSError: see `serving`.
    """
    lifecycle = Lifecycle()
    async with serving(model, options, lifecycle) as port:
        # Not before: until the server listens, a signal ends the process at once, even during the trial of the model.
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, lifecycle.stop)
        facts = {"host": options.host, "port": port, "model": options.name, "version": options.version}
        log.info("ready", extra={"facts": facts})
        await lifecycle.stopped()
        log.info("draining", extra={"facts": {"in_flight": lifecycle.in_flight}})
        if not await lifecycle.drained(within=options.drain_seconds):
            log.warning("closing with requests in flight", extra={"facts": {"in_flight": lifecycle.in_flight}})


def _runs_at_once(threads: int) -> int:
    return max(1, len(os.sched_getaffinity(0)) // threads)
