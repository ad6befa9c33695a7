"""A deadline for calls that cannot be interrupted."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

ResultT = TypeVar("ResultT")


def within(seconds: float, work: Callable[[], ResultT]) -> ResultT:
    """Return the result of `work()`, or raise its error.

    It runs in a separate thread, which continues after the deadline: the process should exit then.

    Raises:
        TimeoutError: it did not finish within a number of seconds.
    """
    outcome: Future[ResultT] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised in the other thread
            outcome.set_exception(error)

    threading.Thread(target=run, name="deadline", daemon=True).start()
    return outcome.result(seconds)
