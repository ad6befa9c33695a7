"""Runs a service: starts HTTP, the broker and background loops in order, and stops them in reverse order."""

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import nats.errors
import structlog
from aiohttp import web
from faststream.nats import NatsBroker, NatsRouter
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, ProcessCollector
from pydantic import ValidationError

from kleverproto import permissions
from kleverproto.envelope import EventSource
from kleverproto.streams import CONSUMERS, STREAMS, TOPOLOGY
from kleverserve.http_server import Refusal, Runner, json_refusal

from .broker import include_routers, make_broker
from .connection import Connection, close_broker
from .consumption import Consumption
from .credentials import CredentialsError
from .errors import PermanentError
from .health import Health, Refresh, add_health_routes, metrics_guard
from .http_telemetry import measured, traced
from .lag import LagMonitor
from .leadership import Leadership
from .leases import Lease
from .logging import configure_logging
from .loops import BackgroundLoop, Loop, loops_check
from .names_guard import names_guard
from .nats_calls import ClientSource
from .publisher import NatsEventPublisher
from .settings import ServiceSettings, explain
from .tasks import cancel
from .telemetry import make_tracer_provider
from .tokens import Token
from .topology import Needs, Topology

log = structlog.get_logger(__name__)

CONNECT_RETRY_SECONDS = 0.2

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


@dataclass
class Runtime:
    """The common parts of a service, built once in its `app.py`."""

    name: str
    settings: ServiceSettings
    tracer_provider: TracerProvider
    metrics: CollectorRegistry
    broker: NatsBroker
    client: ClientSource
    connection: Connection
    topology: Topology
    publisher: NatsEventPublisher
    events: EventSource
    health: Health
    web: web.Application
    token: Token | None
    """The token of the platform, if one is configured."""
    lag: LagMonitor
    loops: list[Loop] = field(default_factory=list)
    """Background loops; started once NATS is connected, restarted after a pause if they fail."""
    refusal: Refusal = json_refusal
    """Creates responses to requests that reach no handler, such as those with too large headers."""
    refreshes: list[Refresh] = field(default_factory=list)
    """Called before each export of metrics."""
    lease: Lease | None = None
    """A lease for which the service competes while it runs; see `kleverkit.leadership.while_leading`."""
    leadership: Leadership | None = None
    """If set, a replica takes messages and runs loops only once it holds the lease."""
    on_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called after the last message and the last request are handled, in order."""
    exit_reason: str | None = None
    """The reason why the process exits without a signal."""

    def compete(self, lease: Lease) -> Lease:
        """Compete for a lease while the service runs."""
        self.lease = lease
        self.health.add("lease", lease.problem)
        return lease

    def serve(self, routers: Iterable[NatsRouter]) -> None:
        """Add message handlers."""
        include_routers(self.broker, routers)


def make_runtime(name: str, settings: ServiceSettings, *, application: web.Application | None = None) -> Runtime:
    """Create the common parts of a service, without connecting; `application` may have its own middlewares.

    If NATS requires credentials, only the service TOPOLOGY may create streams, buckets and consumers.
    """
    metrics = CollectorRegistry()
    ProcessCollector(registry=metrics)
    refreshes: list[Refresh] = []
    tracer_provider = make_tracer_provider(name, settings.otlp_endpoint)
    client, health = ClientSource(), Health()
    connection = Connection(client, settings.nats_credentials, metrics)
    broker = make_broker(name, settings, tracer_provider=tracer_provider, metrics=metrics, connection=connection)
    topology = Topology(client, _needs(name, settings), replicas=settings.stream_replicas)
    app = application if application is not None else web.Application()
    health.add("nats", connection.check)
    health.add("streams", topology.streams_problem)
    token = Token.read(settings.token_file) if settings.token_file is not None else None
    add_health_routes(app, health, metrics, refreshes)
    runtime = Runtime(
        name=name,
        settings=settings,
        tracer_provider=tracer_provider,
        metrics=metrics,
        broker=broker,
        client=client,
        connection=connection,
        topology=topology,
        publisher=NatsEventPublisher(broker),
        events=EventSource(name),
        health=health,
        web=app,
        token=token,
        lag=_lag_monitor(name, client, metrics),
        refreshes=refreshes,
    )
    setting = f"{settings.model_config.get('env_prefix', '')}NAMES"
    guards = [names_guard(settings.own_names, setting, lambda: runtime.refusal)]
    telemetry = [measured(metrics), traced(tracer_provider.get_tracer(__name__))]
    app.middlewares[:0] = [*telemetry, *guards, *([metrics_guard(token)] if token is not None else [])]
    return runtime


def _lag_monitor(name: str, client: ClientSource, metrics: CollectorRegistry) -> LagMonitor:
    """The lag of the service's consumers; TOPOLOGY exports that of all, also while a service is not running."""
    is_topology = name == TOPOLOGY
    consumers = CONSUMERS if is_topology else [each for each in CONSUMERS if each.service == name]
    buckets = permissions.buckets_of(TOPOLOGY)
    streams = [*(stream.name for stream in STREAMS), *(bucket.stream for bucket in buckets)] if is_topology else []
    return LagMonitor(client, consumers, metrics, reads_events=not is_topology, streams=streams)


def _needs(name: str, settings: ServiceSettings) -> Needs:
    if settings.nats_credentials is None:
        return Needs()
    buckets = (*permissions.buckets_of(name), *permissions.leases_of(name))
    return Needs(permissions.streams_of(name), buckets, creates=name == TOPOLOGY)


async def run(runtime: Runtime) -> str | None:
    """Serve until SIGTERM or SIGINT, or until the connection to NATS is closed; return the reason in the latter case.

    HTTP starts first, so that `/healthz` responds and `/readyz` reports what is missing while NATS is not available.
    On shutdown, messages in progress are finished before HTTP closes, and requests in progress before the connection to
    NATS and the service's own resources close.
    """
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_finish, runtime)
        stack.push_async_callback(close_broker, runtime.broker)
        await _serve_http(runtime, stack)
        main = asyncio.create_task(_serve_messages(runtime, stack))
        stop = asyncio.create_task(stopping.wait())
        ends = [asyncio.create_task(_closed(runtime)), asyncio.create_task(_lost(runtime))]
        try:
            await asyncio.wait({main, stop, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                main.result()  # a failed start ends the process with a traceback
                await asyncio.wait({stop, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.done():
                runtime.exit_reason = next(end.result() for end in ends if end.done())
                log.critical("this process exits, to be restarted by its supervisor", reason=runtime.exit_reason)
        finally:
            await cancel([main, stop, *ends])  # before the stack unwinds, since an incomplete start may still add to it
        log.info("stopping")
    return runtime.exit_reason


async def _closed(runtime: Runtime) -> str:
    """Wait until the connection is closed: a restart is simpler and safer than a new client (docs/adr/0019)."""
    return f"the server closed the connection to NATS: {await runtime.connection.closed()}"


async def _lost(runtime: Runtime) -> str:
    if runtime.leadership is None:
        await asyncio.Event().wait()
    else:
        await runtime.leadership.lost()
    return "another replica holds the lease"


async def _serve_http(runtime: Runtime, stack: AsyncExitStack) -> None:
    runner = Runner(runtime.web, refusal=runtime.refusal, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, runtime.settings.host, runtime.settings.port, reuse_address=True)
    await site.start()
    server = cast("asyncio.Server", site._server)  # noqa: SLF001 - aiohttp has no public API for the bound port
    log.info("http ready", address=_address(server.sockets[0]))


async def _serve_messages(runtime: Runtime, stack: AsyncExitStack) -> None:
    """Connect, wait for streams, take messages and run loops, without a timeout, since NATS may start later."""
    keeping = BackgroundLoop(runtime.topology.run)
    runtime.health.add("loops", loops_check([keeping]))
    prepared = None
    if runtime.leadership is None:
        prepared = _prepare(runtime, keeping)
    else:  # a standby keeps the leader's consumers ready
        runtime.topology.need(consumer for consumer in CONSUMERS if consumer.service == runtime.name)
    await _connect(runtime)
    _start(stack, [keeping])
    await runtime.topology.complete()
    _start(stack, [BackgroundLoop(runtime.lag.run)])
    if runtime.lease is not None:
        runtime.lease.start()
        stack.push_async_callback(runtime.lease.stop)
    if runtime.leadership is not None:
        log.info("standby")
        await stack.enter_async_context(runtime.leadership.acquired())
    consumption, loops = prepared or _prepare(runtime, keeping)
    stack.push_async_callback(consumption.stop)
    await consumption.start()
    _start(stack, loops)
    log.info("ready")


def _prepare(runtime: Runtime, keeping: BackgroundLoop) -> tuple[Consumption, list[BackgroundLoop]]:
    """The consumption of messages, and the loops; readiness depends on both."""
    consumption = Consumption(runtime.broker, runtime.topology)
    loops = [BackgroundLoop(loop) for loop in runtime.loops]
    runtime.health.add("consumers", consumption.problem)
    runtime.health.add("loops", loops_check([keeping, *loops, *consumption.loops]))
    return consumption, loops


def _start(stack: AsyncExitStack, loops: Iterable[BackgroundLoop]) -> None:
    stack.push_async_callback(cancel, [asyncio.create_task(loop.forever()) for loop in loops])


async def _connect(runtime: Runtime) -> None:
    while True:
        try:
            runtime.client.set(await runtime.broker.connect())
        except (nats.errors.Error, CredentialsError, OSError) as error:
            await runtime.connection.on_error(error)
            await asyncio.sleep(CONNECT_RETRY_SECONDS)
        else:
            return


async def _finish(runtime: Runtime) -> None:
    """Run the stop callbacks last, even if NATS was never connected, to stop external processes."""
    for callback in runtime.on_stop:
        await callback()
    runtime.tracer_provider.shutdown()


def _address(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://{host}:{port}"


def main(service: str, settings_type: type[SettingsT], build: Callable[[SettingsT], Runtime]) -> None:
    """Entry point of a service's `__main__`: reads settings, configures logging, and calls `run` on uvloop.

    Invalid settings, and files that cannot be read, end the process with a message for each.
    """
    import uvloop  # noqa: PLC0415 - not needed by programs that import a service

    try:
        settings = settings_type()
    except ValidationError as error:
        sys.exit(explain(error, settings_type))
    except PermanentError as error:
        sys.exit(str(error))
    configure_logging(service, level=settings.log_level, fmt=settings.log_format)
    try:
        runtime = build(settings)
    except PermanentError as error:
        sys.exit(str(error))
    sys.exit(uvloop.run(cast("Any", run(runtime))))
