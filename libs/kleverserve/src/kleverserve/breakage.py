"""Distinguishes errors of broken models from errors caused by particular inputs; pure."""

import re
from collections.abc import Iterator

PROGRAMMING = (AttributeError, ImportError, NameError, NotImplementedError)
"""Errors that the code of a model or its framework causes, and that values never cause."""
DATA = (str, bytes, int, float, complex, list, tuple, dict, set)
DATA_PACKAGES = frozenset({"numpy", "pandas", "scipy", "polars", "pyarrow"})
MESSAGES = re.compile(
    r"not implemented|unimplemented|no kernel|no module named|unresolved custom op|select tensorflow op", re.IGNORECASE
)
"""Messages of engines that raise the same class for all errors."""


def is_broken(error: BaseException) -> bool:
    """Return whether the model would fail on any inputs.

    A missing part of the framework, or a module that is not installed, is an error of the model. A number or an array
    without a method `lower` is an error of the sender.
    """
    return any(_shows_breakage(each) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _shows_breakage(error: BaseException) -> bool:
    if isinstance(error, AttributeError):
        return not _is_data(error.obj)
    return isinstance(error, PROGRAMMING) or MESSAGES.search(str(error)) is not None


def _is_data(value: object) -> bool:
    return isinstance(value, DATA) or type(value).__module__.partition(".")[0] in DATA_PACKAGES
