"""Reports where each asyncio task waits when a test exceeds its time limit."""

import asyncio
import gc
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from types import AsyncGeneratorType, FrameType
from typing import Any

import pytest

FRAMES = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


TASKS = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Generator[None, object, object]:
    """Record the tasks before the test is interrupted, because fixtures and event loops end them on the way out."""
    answer = yield
    interrupt = signal.getsignal(signal.SIGALRM)
    if callable(interrupt):

        def look_then_interrupt(signum: int, frame: FrameType | None) -> None:
            item.stash[TASKS] = waiting_tasks()
            interrupt(signum, frame)

        signal.signal(signal.SIGALRM, look_then_interrupt)
    return answer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section to the report; the stacks that pytest-timeout prints are only those of threads."""
    report = yield
    if report.failed and (tasks := item.stash.get(TASKS, None)) is not None:
        report.sections.append(("asyncio tasks at the timeout", "\n".join(tasks)))
    return report


def waiting_tasks() -> list[str]:
    """One line for each task that has not ended: the calls it is in, outermost first."""
    tasks = [task for task in asyncio.tasks._all_tasks if not task.done()]  # type: ignore[attr-defined]
    return [f"{task.get_name()}: {' > '.join(_calls(task.get_coro()))}" for task in tasks]


def _calls(awaitable: Any) -> Iterator[str]:
    while awaitable is not None:
        names = next((names for names in FRAMES if hasattr(awaitable, names[0])), None)
        if names is None:
            yield type(awaitable).__name__
            awaitable = _generator_of(awaitable)
            continue
        frame = getattr(awaitable, names[0])
        if frame is not None:
            yield f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
        awaitable = getattr(awaitable, names[1])


def _generator_of(step: object) -> AsyncGeneratorType[Any, Any] | None:
    """The asynchronous generator, such as a fixture, that a step belongs to; the step has no attribute for it."""
    return next((each for each in gc.get_referents(step) if isinstance(each, AsyncGeneratorType)), None)
