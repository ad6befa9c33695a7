"""A kill during a push storm: nothing is lost or done twice, and no help is needed.

Each test pushes many models at once, kills something, and then checks for all signatures, for exactly one event and
one finished job of each, and for dead letters.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform

MODELS = 30
AT_ONCE = 8


@asynccontextmanager
async def storm(platform: Platform, directory: Path) -> AsyncIterator[None]:
    """Push in the background. The block starts after a third of the pushes and ends after all."""
    slots, through, third = asyncio.Semaphore(AT_ONCE), 0, asyncio.Event()

    async def push(number: int) -> None:
        nonlocal through
        async with slots:
            await platform.push(adder(directory / str(number), number), f"storm/adder:v{number}")
        through += 1
        if through > MODELS // 3:
            third.set()

    async with asyncio.TaskGroup() as pushes:
        for number in range(MODELS):
            pushes.create_task(push(number))
        await third.wait()
        yield


async def assert_each_model_was_handled_once(platform: Platform) -> None:
    await platform.healed()
    for number in range(MODELS):
        model = await platform.parsed(f"storm/adder:v{number}")
        assert model.status.signature is not None
        assert model.status.signature.operators == {"Add": 1}

    async def announced_once() -> bool:
        pushed = await platform.events("klever.model.pushed.storm.>")
        completed = await platform.events("klever.job.completed.>")
        versions = Counter(event["data"]["ref"]["version"] for event in pushed)
        jobs = Counter(event["data"]["id"] for event in completed)
        return len(versions) == len(jobs) == MODELS == sum(versions.values()) == sum(jobs.values())

    assert await eventually(announced_once, within=45)
    assert await platform.events("klever.dead.>") == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("part", ["nats", "registry", "jobrunner", "gateway", "deployer"])
async def test_a_service_killed_during_a_push_storm_loses_nothing(
    platform: Platform, tmp_path: Path, part: str
) -> None:
    async with storm(platform, tmp_path):
        killed = platform.kill(part)
    await assert_each_model_was_handled_once(platform)
    assert platform.pid(part) != killed


@pytest.mark.timeout(180)
async def test_workers_killed_during_a_push_storm_lose_nothing(platform: Platform, tmp_path: Path) -> None:
    async with storm(platform, tmp_path):
        workers = platform.children("klever_jobrunner.adapters.worker")
        for worker in workers:
            worker.kill()
    assert workers
    await assert_each_model_was_handled_once(platform)
