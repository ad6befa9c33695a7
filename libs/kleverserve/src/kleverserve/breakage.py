"""Whether an error shows that a model is broken, or only that it did not take some inputs; pure."""

import re
from collections.abc import Iterator

PROGRAMMING = (AttributeError, ImportError, NameError, NotImplementedError)
"""What Python raises about the code of a model, or of the framework that runs it, and never about values."""
DATA = (str, bytes, int, float, complex, list, tuple, dict, set)
DATA_PACKAGES = frozenset({"numpy", "pandas", "scipy", "polars", "pyarrow"})
MESSAGES = re.compile(
    r"not implemented|unimplemented|no kernel|no module named|unresolved custom op|select tensorflow op", re.IGNORECASE
)
"""Of engines that raise the same class of errors about everything."""


def is_broken(error: BaseException) -> bool:
    """Whether the model would fail on whatever inputs.

    A part that the framework misses in the model, or a module that is not installed, is the model's fault; that a
    number or an array has no method `lower` is the fault of who sent it.
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
