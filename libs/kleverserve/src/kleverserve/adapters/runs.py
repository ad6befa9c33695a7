"""Maps errors of engines, whose kinds differ by their messages only, to the server's errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kleverserve.breakage import is_broken
from kleverserve.errors import ExecutionError, InvalidRequestError

from .files import one_line

# Weights cannot change, so a complaint about any of these is about what the caller sent.
_ABOUT_INPUTS = re.compile(
    r"shape|\bsizes?\b|dimension|incompatible|scalar type|dtype|channels|index out of range|out of bounds",
    re.IGNORECASE,
)

_REFUSALS = (ValueError, TypeError, IndexError, AttributeError)
"""What Python code raises about values that it does not take, or that lack what it takes for granted."""


@contextmanager
def running() -> Iterator[None]:
    """Around one run of an engine whose every error is a RuntimeError.

    Raises:
        InvalidRequestError: the engine complains about shapes, types or indices.
        ExecutionError: it fails in any other way, or would fail on whatever inputs.
    """
    try:
        yield
    except Exception as error:
        reason = one_line(error)
        if not is_broken(error) and (isinstance(error, _REFUSALS) or _ABOUT_INPUTS.search(reason)):
            raise InvalidRequestError(f"the model refuses the inputs: {reason}") from error
        raise ExecutionError(f"the model failed: {reason}") from error
