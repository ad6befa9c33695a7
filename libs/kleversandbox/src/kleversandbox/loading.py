"""Reads a policy in the launcher, with few imports, because its time is part of every start of a model."""

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .policy import Policy


class _Fields:
    """An object with the attributes of `Policy`, which would import `typing`, slower than all other imports."""

    def __init__(self, fields: "dict[str, object]") -> None:
        self.__dict__.update(fields)


def load_policy(text: bytes) -> "Policy":
    """Parse the output of `dump_policy`."""
    fields = marshal.loads(text)  # noqa: S302 - by the platform itself, through a file that nobody else has
    return _Fields(fields | {"limits": _Fields(fields["limits"])})  # type: ignore[return-value]
