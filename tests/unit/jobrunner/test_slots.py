"""Heavy jobs: no more run than there are slots, and projects take turns."""

import asyncio

import pytest

from klever_jobrunner.service.slots import FairSlots


async def test_projects_take_turns_however_many_jobs_one_requests() -> None:
    slots, done = FairSlots(1), []
    entered, gate = asyncio.Event(), asyncio.Event()

    async def work(project: str, name: str) -> None:
        async with slots.slot(project):
            entered.set()
            await gate.wait()
            done.append(name)

    tasks = [asyncio.create_task(work("busy", f"busy-{number}")) for number in range(4)]
    tasks.append(asyncio.create_task(work("quiet", "quiet-0")))
    await entered.wait()  # the others have asked by then
    gate.set()
    await asyncio.gather(*tasks)
    assert done == ["busy-0", "busy-1", "quiet-0", "busy-2", "busy-3"]


async def test_no_more_jobs_run_than_there_are_slots() -> None:
    slots, at_work, most, both = FairSlots(2), 0, 0, asyncio.Event()

    async def work(project: str) -> None:
        nonlocal at_work, most
        async with slots.slot(project):
            at_work += 1
            most = max(most, at_work)
            if at_work == 2:
                both.set()
            await both.wait()
            at_work -= 1

    await asyncio.gather(*(work(f"project-{number % 3}") for number in range(9)))
    assert most == 2


async def test_a_cancelled_wait_blocks_nobody() -> None:
    slots = FairSlots(1)
    asked, entered = asyncio.Event(), asyncio.Event()

    async def wait_for_a_place() -> None:
        asked.set()
        async with slots.slot("a"):
            entered.set()

    async with slots.slot("a"):
        impatient = asyncio.create_task(wait_for_a_place())
        patient = asyncio.create_task(wait_for_a_place())
        await asked.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    await patient
    assert entered.is_set()
