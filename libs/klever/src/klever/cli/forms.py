"""Texts on the command line that have a form."""

import re

import click


class Form(click.ParamType[str]):
    """An option's value that matches a pattern as a whole.

    Args:
        pattern: a regular expression.
        form: the pattern as users know it, such as `namespace/name`.
    """

    def __init__(self, pattern: str, form: str) -> None:
        self.name = form
        self._pattern = re.compile(pattern)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value. Fails if it does not have the form."""
        if self._pattern.fullmatch(value) is None:
            self.fail(f"{value!r} does not have the form {self.name}", param, ctx)
        return value


HOST_AND_PORT = Form(r"[^/\s]+:[0-9]+", "HOST:PORT")
"""An address without a scheme."""
