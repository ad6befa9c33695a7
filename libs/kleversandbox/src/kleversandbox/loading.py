"""Reading a policy in the launcher, which imports as little as it can: its time is part of every start of a model."""

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .policy import Policy


class _Fields:
    """An object with these attributes. `Policy` itself would load `typing`, which takes longer than all the rest."""

    def __init__(self, fields: "dict[str, object]") -> None:
        self.__dict__.update(fields)


def load_policy(text: bytes) -> "Policy":
    """What `dump_policy` has written."""
    fields = marshal.loads(text)  # noqa: S302 - by the platform itself, through a file that nobody else has
    return _Fields(fields | {"limits": _Fields(fields["limits"])})  # type: ignore[return-value]
