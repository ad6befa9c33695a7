"""Runs a service: HTTP, the broker, background loops; in a stated order, and stopped in the reverse."""

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import nats.errors
import nats.js.errors
import structlog
from aiohttp import web
from faststream.nats import NatsBroker, NatsRouter
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from kleverproto.envelope import EventSource

from .broker import include_routers, make_broker
from .errors import PermanentError, TransientError
from .health import Health, add_health_routes
from .logging import configure_logging
from .nats_calls import ClientSource
from .provisioning import provision
from .publisher import NatsEventPublisher
from .settings import ServiceSettings, explain
from .telemetry import make_tracer_provider

log = structlog.get_logger(__name__)

CONNECT_RETRY_SECONDS = 0.2
CANCEL_AGAIN_SECONDS = 0.5
START_SECONDS = 2.0
"""How long a stop waits for a start that is under way."""

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
Loop = Callable[[], Awaitable[None]]


@dataclass
class Runtime:
    """What every service has, built once in its `app.py`."""

    name: str
    settings: ServiceSettings
    tracer_provider: TracerProvider
    metrics: CollectorRegistry
    broker: NatsBroker
    client: ClientSource
    publisher: NatsEventPublisher
    events: EventSource
    health: Health
    web: web.Application
    loops: list[Loop] = field(default_factory=list)
    """Run for as long as the service does; started once NATS is there, restarted with a pause if they fail."""
    on_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called after the last message is handled, in order."""

    def serve(self, routers: Iterable[NatsRouter]) -> None:
        """Take messages with these handlers."""
        include_routers(self.broker, routers)


def make_runtime(name: str, settings: ServiceSettings, *, application: web.Application | None = None) -> Runtime:
    """Everything that the services share, unconnected; `application` may bring its own middlewares."""
    metrics = CollectorRegistry()
    tracer_provider = make_tracer_provider(name, settings.otlp_endpoint)
    broker = make_broker(name, settings, tracer_provider=tracer_provider, metrics=metrics)
    client, health = ClientSource(), Health()
    app = application if application is not None else web.Application()
    health.add("nats", client.check)
    add_health_routes(app, health, metrics)
    return Runtime(
        name=name,
        settings=settings,
        tracer_provider=tracer_provider,
        metrics=metrics,
        broker=broker,
        client=client,
        publisher=NatsEventPublisher(broker),
        events=EventSource(name),
        health=health,
        web=app,
    )


async def run(runtime: Runtime) -> None:
    """Serve until SIGTERM or SIGINT.

    HTTP comes first, so that `/healthz` answers and `/readyz` says what is missing while NATS is away. On the way
    out messages in work are finished before HTTP closes.
    """
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    async with AsyncExitStack() as stack:
        await _serve_http(runtime, stack)
        stack.push_async_callback(_finish, runtime)
        main = asyncio.create_task(_serve_messages(runtime, stack))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({main, stop}, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                main.result()  # a failure to start ends the process with its traceback
                await stop
        finally:
            await _cancel([main, stop])  # before the stack unwinds: a start in the middle may still add to it
        log.info("stopping")


async def _serve_http(runtime: Runtime, stack: AsyncExitStack) -> None:
    runner = web.AppRunner(runtime.web, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, runtime.settings.host, runtime.settings.port, reuse_address=True)
    await site.start()
    server = cast("asyncio.Server", site._server)  # noqa: SLF001 - aiohttp has no public way to the bound port
    log.info("http ready", address=_address(server.sockets[0]))


async def _serve_messages(runtime: Runtime, stack: AsyncExitStack) -> None:
    await _connect(runtime)
    starting = asyncio.create_task(_start_broker(runtime))
    stack.push_async_callback(_stop_broker, runtime, starting)
    await asyncio.shield(starting)  # a broker that is stopped while it starts leaves a subscriber spinning
    tasks = [asyncio.create_task(_forever(loop)) for loop in runtime.loops]
    stack.push_async_callback(_cancel, tasks)
    log.info("ready")


async def _connect(runtime: Runtime) -> None:
    """Connect and provision, for as long as it takes: services may start before NATS does."""
    while True:
        try:
            client = await runtime.broker.connect()
            await provision(client.jetstream(), replicas=runtime.settings.stream_replicas)
        except (nats.errors.Error, nats.js.errors.Error, OSError, TransientError) as error:
            log.warning("waiting for nats", error=str(error) or type(error).__name__)
            await asyncio.sleep(CONNECT_RETRY_SECONDS)
        else:
            runtime.client.set(client)
            return


async def _start_broker(runtime: Runtime) -> None:
    """Subscribe, for as long as it takes: NATS may go away again between connecting and subscribing."""
    while True:
        try:
            await runtime.broker.start()
        except (nats.errors.Error, nats.js.errors.Error, OSError) as error:
            log.warning("waiting for nats", error=str(error) or type(error).__name__)
            await asyncio.sleep(CONNECT_RETRY_SECONDS)
        else:
            return


async def _stop_broker(runtime: Runtime, starting: "asyncio.Task[None]") -> None:
    await asyncio.wait({starting}, timeout=START_SECONDS)
    await _cancel([starting])
    await runtime.broker.stop()


async def _finish(runtime: Runtime) -> None:
    """Comes last whether NATS was ever there or not: what a service started outside itself must end."""
    for callback in runtime.on_stop:
        await callback()
    runtime.tracer_provider.shutdown()


async def _forever(loop: Loop) -> None:
    """Keep a background loop alive: a failure is logged and the loop starts anew."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("background loop failed; it starts anew", loop=getattr(loop, "__qualname__", "loop"))
        await asyncio.sleep(1.0)


async def _cancel(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel for sure: `asyncio.wait_for` on Python 3.11 loses a cancellation that comes with its result."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


def _address(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://{host}:{port}"


def main(service: str, settings_type: type[SettingsT], build: Callable[[SettingsT], Runtime]) -> None:
    """Entry point of a service's `__main__`: settings from the environment, logging, then `run` on uvloop.

    Wrong settings, and files they name that cannot be read, end the process with a sentence for each.
    """
    import uvloop  # noqa: PLC0415 - only processes need it, not those who import a service

    try:
        settings = settings_type()
    except ValidationError as error:
        sys.exit(explain(error, settings_type))
    configure_logging(service, level=settings.log_level, fmt=settings.log_format)
    try:
        runtime = build(settings)
    except PermanentError as error:
        sys.exit(str(error))
    uvloop.run(cast("Any", run(runtime)))
