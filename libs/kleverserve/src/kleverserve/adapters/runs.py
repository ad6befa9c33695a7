"""Maps errors of engines, which often differ only by their messages, to errors of the server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kleverserve.breakage import is_broken
from kleverserve.errors import ExecutionError, InvalidRequestError

from .files import one_line

# Weights do not change, so errors about these are caused by the request.
_ABOUT_INPUTS = re.compile(
    r"shape|\bsizes?\b|dimension|incompatible|scalar type|dtype|channels|index out of range|out of bounds",
    re.IGNORECASE,
)

_REFUSALS = (ValueError, TypeError, IndexError, AttributeError)
"""Errors that Python code raises for invalid values, or for values without an attribute that it uses."""


@contextmanager
def running() -> Iterator[None]:
    """Convert errors of one run of an engine that raises RuntimeError for all errors.

    Raises:
        InvalidRequestError: the error is about shapes, types or indices.
        ExecutionError: any other error, or an error that any inputs would cause.
    """
    try:
        yield
    except Exception as error:
        reason = one_line(error)
        if not is_broken(error) and (isinstance(error, _REFUSALS) or _ABOUT_INPUTS.search(reason)):
            raise InvalidRequestError(f"the model rejects the inputs: {reason}") from error
        raise ExecutionError(f"the model failed: {reason}") from error
