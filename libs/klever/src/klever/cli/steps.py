"""What a command shows while it waits for a serving."""

import re
import time
from collections.abc import Callable

import click

from klever.progress import UNTAKEN

PATIENCE_SECONDS = 3.0
"""A deployer that begins within this time is not worth a line."""


class Steps:
    """Prints what is waited for, once for each kind of thing; a spinner shows each count.

    Args:
        spin: changes the text of the spinner.
        quiet: print nothing.
        clock: seconds, growing.
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
        """This is waited for now."""
        if self._quiet or (step == UNTAKEN and self._clock() - self._began < PATIENCE_SECONDS):
            return
        self._spin(step)
        kind = _kind(step)
        if kind not in self._printed:
            self._printed.add(kind)
            click.echo(f"  {step}", err=True)


def _kind(step: str) -> str:
    """A step without its counts of requests; percents and numbers of steps set steps apart."""
    return re.sub(r"\d+( of \d+)? requests", "requests", step)
