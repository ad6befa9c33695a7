"""Bodies of requests about servings, checked before they are sent; pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from kleverproto.base import WireModel
from kleverproto.mistakes import worded

from .errors import InputError

ChangeT = TypeVar("ChangeT", bound=WireModel)


def checked_change(change: type[ChangeT], fields: Mapping[str, Any]) -> ChangeT:
    """A change with these fields; what is not among them is not sent. Raises InputError, by field."""
    try:
        return change.model_validate(fields)
    except ValidationError as error:
        raise InputError(worded(error, change)) from error
