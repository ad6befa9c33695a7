"""The progress that a command shows while it waits for a serving."""

import re
import time
from collections.abc import Callable

import click

from klever.progress import ACCEPTED

PATIENCE_SECONDS = 3.0
"""Waiting for the deployer is not shown if it is shorter than this."""


class Steps:
    """Prints each kind of step once; a spinner shows all changes.

    Args:
        spin: changes the text of the spinner.
        quiet: print nothing.
        clock: returns monotonic seconds.
    """

    def __init__(
        self, spin: Callable[[str], None], *, quiet: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spin = spin
        self._quiet = quiet
        self._clock = clock
        self._began = clock()
        self._printed: set[str] = set()

    def __call__(self, step: str) -> None:
        """Show the step that the serving waits for."""
        if self._quiet or (step == ACCEPTED and self._clock() - self._began < PATIENCE_SECONDS):
            return
        self._spin(step)
        kind = _kind(step)
        if kind not in self._printed:
            self._printed.add(kind)
            click.echo(f"  {step}", err=True)


def _kind(step: str) -> str:
    """Return a step without its counts of requests. Steps with other percentages or numbers are different kinds."""
    return re.sub(r"\d+( of \d+)? requests", "requests", step)
