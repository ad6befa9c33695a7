"""Every kind of fault. A fault lasts for a block and always ends with it."""

import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Protocol

import psutil

from .world import SERVICES, World

PARTS = ("nats", *SERVICES)
STEPS_SECONDS = (-3600.0, -90.0, -1.5, 1.5, 90.0, 3600.0)


class Act(Protocol):
    """Starts a fault, yields its description, and ends it."""

    __name__: str

    def __call__(self, world: World, random: Random, /) -> AbstractAsyncContextManager[str]:
        """Apply the fault for the block."""
        ...


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        act: the context manager that applies it.
        lasts: minimum and maximum seconds.
        hits_serving: whether predictions may fail meanwhile.
        unready: services that must report unready meanwhile, and the reason.
        needs: `disks` or `clock`, if it requires one that not every machine has.
    """

    act: Act
    lasts: tuple[float, float] = (0, 0)
    hits_serving: bool = False
    unready: frozenset[str] = frozenset()
    needs: str = ""

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.act.__name__


@asynccontextmanager
async def kill_part(world: World, random: Random) -> AsyncIterator[str]:
    part = random.choice(PARTS)
    _signal(world.platform.pid(part), signal.SIGKILL)
    yield f"kill the {part}"


@asynccontextmanager
async def stop_part(world: World, random: Random) -> AsyncIterator[str]:
    part = random.choice(SERVICES)
    async with _stopped([world.platform.pid(part)]):
        yield f"stop the {part}"


@asynccontextmanager
async def stop_nats(world: World, _random: Random) -> AsyncIterator[str]:
    async with _stopped([world.platform.pid("nats")]):
        yield "stop nats-server"


@asynccontextmanager
async def kill_envoy(world: World, _random: Random) -> AsyncIterator[str]:
    envoys = world.platform.children("bin/envoy")
    for envoy in envoys:
        _signal(envoy.pid, signal.SIGKILL)
    yield f"kill Envoy ({len(envoys)})"


@asynccontextmanager
async def kill_model_server(world: World, random: Random) -> AsyncIterator[str]:
    servers = _oldest_first(world.platform.children("kleverserve"))
    chosen = servers[int(random.random() * len(servers)) :][:1]
    for server in chosen:
        _signal(server.pid, signal.SIGKILL)
    yield f"kill a model server ({len(chosen)} of {len(servers)})"


@asynccontextmanager
async def stop_model_servers(world: World, _random: Random) -> AsyncIterator[str]:
    servers = world.platform.children("kleverserve")
    async with _stopped([server.pid for server in servers]):
        yield f"stop the model servers ({len(servers)})"


@asynccontextmanager
async def kill_workers(world: World, _random: Random) -> AsyncIterator[str]:
    workers = world.platform.children("klever_jobrunner.adapters.worker")
    for worker in workers:
        _signal(worker.pid, signal.SIGKILL)
    yield f"kill the workers ({len(workers)})"


@asynccontextmanager
async def kill_supervisor(world: World, _random: Random) -> AsyncIterator[str]:
    world.platform.process.kill()
    await world.platform.process.wait()
    yield "kill `klever up`"
    await world.start()


@asynccontextmanager
async def restart_platform(world: World, _random: Random) -> AsyncIterator[str]:
    await world.stop()
    yield "klever down"
    await world.start()


@asynccontextmanager
async def fill_disk_of_registry(world: World, _random: Random) -> AsyncIterator[str]:
    with_disk = world.disks["registry"]
    with_disk.fill()
    try:
        yield "fill the disk of the registry"
    finally:
        with_disk.free()


@asynccontextmanager
async def fill_disk_of_deployer(world: World, _random: Random) -> AsyncIterator[str]:
    world.disks["deployer"].fill()
    try:
        yield "fill the disk of the deployer"
    finally:
        world.disks["deployer"].free()


@asynccontextmanager
async def fill_another_disk(world: World, random: Random) -> AsyncIterator[str]:
    part = random.choice(["nats", "jobrunner", "gateway"])
    world.disks[part].fill()
    try:
        yield f"fill the disk of the {part}"
    finally:
        world.disks[part].free()


@asynccontextmanager
async def step_clock(world: World, random: Random) -> AsyncIterator[str]:
    assert world.clock is not None
    step = random.choice(STEPS_SECONDS)
    world.clock.step(step)
    try:
        yield f"step the services' clocks by {step:+} s"
    finally:
        world.clock.step(0)


@asynccontextmanager
async def _stopped(pids: Iterable[int]) -> AsyncIterator[None]:
    """Suspend processes with SIGSTOP for the block."""
    chosen = list(pids)
    for pid in chosen:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in chosen:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def _oldest_first(processes: list[psutil.Process]) -> list[psutil.Process]:
    return sorted(processes, key=lambda process: process.pid)
