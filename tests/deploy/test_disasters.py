"""A platform loses a part of its data: the procedures of docs/operations.md, and the time that they take."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kleverproto.streams import MODELS_BUCKET, SERVINGS_BUCKET
from support.commands import Shell
from support.constant_load import constant_load
from support.pictures import Picture, picture, populate
from support.toolchains import toolchain_python, toolchain_store
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs a toolchain


@pytest.fixture(scope="session")
def toolchain() -> None:
    """The toolchain of the conversion is installed."""
    toolchain_python(toolchain_store(), "onnx")


@asynccontextmanager
async def measured(what: str) -> AsyncIterator[None]:
    """Print the duration of a block."""
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s")


POSITIONS = {"announcedSequence", "extractedBy", "scannedBy", "jobId"}
"""Fields of a version that refer to messages of a stream, which may be another one after a loss."""


def lasting(known: Picture) -> Picture:
    """The part of a state that does not depend on NATS: without the history of jobs, and positions."""
    models = {ref: model | {"status": without_positions(model["status"])} for ref, model in known.models.items()}
    return replace(known, jobs={}, models=models)


def without_positions(status: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name not in POSITIONS}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """The paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return [each for key in keys for each in differences(one.get(key), other.get(key), f"{path}.{key}")]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


async def becomes(platform: Platform, shell: Shell, expected: Picture) -> None:
    """Wait until the platform has this state."""

    async def is_as_before() -> bool:
        now, before = lasting(await picture(platform, shell)), lasting(expected)
        assert differences(now.models, before.models) == []
        assert now == before
        return True

    await eventually(is_as_before, within=180, every=0.5)


def empty(directory: Path) -> None:
    for entry in directory.iterdir():
        shutil.rmtree(entry, ignore_errors=True)


async def lose_nats(platform: Platform) -> None:
    """Kill NATS and remove its store."""
    pid = platform.pid("nats")
    os.kill(pid, signal.SIGSTOP)
    await asyncio.to_thread(empty, platform.home / "nats")
    os.kill(pid, signal.SIGKILL)


async def has_documents(platform: Platform, expected: Picture) -> bool:
    """Return whether the new store has all documents, and not only the projection of the gateway."""
    async with platform.jetstream() as js:
        models = (await js.stream_info(MODELS_BUCKET.stream)).state.messages
        servings = (await js.stream_info(SERVINGS_BUCKET.stream)).state.messages
    return (models, servings) == (len(expected.models), len(expected.servings))


def remove(home: Path, *names: str) -> None:
    for name in names:
        shutil.rmtree(home / name)


@pytest.mark.usefixtures("toolchain")
async def test_lost_parts_are_restored_as_documented(tmp_path: Path) -> None:
    home, scratch, backup = tmp_path / "home", tmp_path / "scratch", tmp_path / "klever.backup"
    home.mkdir()
    before = await state_before(home, backup)

    remove(home, "nats")
    async with measured("store of NATS lost while the platform is stopped"):
        await starts(home, before)
    remove(home, "gateway", "jobrunner", "deployer")
    async with measured("projection, prepared models and home of the deployer lost"):
        await starts(home, before)
    remove(home, "registry")
    async with measured("data directory of the registry lost: restored from the backup"):
        await Shell(scratch, tmp_path).ok(f"klever backup restore {backup}")
        (scratch / "registry").rename(home / "registry")
        await starts(home, before)
    remove(tmp_path, "home", "scratch")
    async with measured("whole home lost: restored from the backup"):
        await Shell(home, tmp_path).ok(f"klever backup restore {backup}")
        await starts(home, before)


async def state_before(home: Path, backup: Path) -> Picture:
    """Run a platform, and create its backup. It loses the store of NATS meanwhile, and no prediction fails."""
    shell = Shell(home, home.parent)
    async with running_platform(home) as platform:
        await populate(platform, shell, home.parent)
        before = await picture(platform, shell)
        async with measured("backup of a running platform"):
            await shell.ok(f"klever backup create {backup}")
        async with constant_load(await url_of(platform, "adder")) as load, measured("store of NATS lost while it runs"):
            await lose_nats(platform)
            await eventually(lambda: has_documents(platform, before), within=60)
            await platform.healed()
            await becomes(platform, shell, before)
        assert load.failures == {}
    return before


async def url_of(platform: Platform, name: str) -> str:
    async with platform.client() as client:
        serving = await client.serving(name)
    assert serving is not None
    return serving.status.url or ""


async def starts(home: Path, expected: Picture) -> None:
    """Start the platform, and stop it when it has the expected state."""
    async with running_platform(home) as platform:
        await becomes(platform, Shell(home, home.parent), expected)
        await platform.healed()
