"""How the errors of engines that tell their kinds apart by words only become the server's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kleverserve.errors import ExecutionError, InvalidRequestError

from .files import one_line

# Weights cannot change, so a complaint about any of these is about what the caller sent.
_ABOUT_INPUTS = re.compile(
    r"shape|\bsizes?\b|dimension|incompatible|scalar type|dtype|channels|index out of range|out of bounds",
    re.IGNORECASE,
)


@contextmanager
def running() -> Iterator[None]:
    """Around one run of an engine whose every error is a RuntimeError.

    Raises:
        InvalidRequestError: the engine complains about shapes, types or indices.
        ExecutionError: it fails in any other way.
    """
    try:
        yield
    except Exception as error:
        reason = one_line(error)
        if isinstance(error, ValueError | TypeError | IndexError) or _ABOUT_INPUTS.search(reason):
            raise InvalidRequestError(f"the model refuses the inputs: {reason}") from error
        raise ExecutionError(f"the model failed: {reason}") from error
