"""Bodies of requests about servings, validated before they are sent; pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from kleverproto.base import WireModel
from kleverproto.mistakes import describe_mistakes

from .errors import InputError

ChangeT = TypeVar("ChangeT", bound=WireModel)


def checked_change(change: type[ChangeT], fields: Mapping[str, Any]) -> ChangeT:
    """Return a change with these fields; other fields are not sent. Raises InputError that names invalid fields."""
    try:
        return change.model_validate(fields)
    except ValidationError as error:
        raise InputError(describe_mistakes(error, change)) from error
