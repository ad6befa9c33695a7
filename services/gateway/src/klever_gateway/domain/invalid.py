"""Validation errors by field, as clients see them."""

from pydantic import BaseModel, ValidationError

from klever_gateway.errors import FieldError, InvalidRequestError
from kleverproto.mistakes import Mistake, mistakes_in


def invalid_request(
    error: ValidationError, model: type[BaseModel], prefix: str = "", advice: str = ""
) -> InvalidRequestError:
    """The error for values that do not make a model.

    Args:
        error: what is wrong.
        model: the model.
        prefix: where in the request the values are.
        advice: what else to do, behind each message.
    """
    errors = tuple(_field_error(each, prefix, advice) for each in mistakes_in(error, model))
    fields = ", ".join(dict.fromkeys(each.field for each in errors))
    return InvalidRequestError(f"the request is not valid: see {fields}", errors=errors)


def invalid_field(field: str, message: str) -> InvalidRequestError:
    """The error for one wrong field."""
    return InvalidRequestError(message, errors=(FieldError(field, message),))


def _field_error(mistake: Mistake, prefix: str, advice: str) -> FieldError:
    place = ".".join(filter(None, [prefix, mistake.place])) or "body"
    return FieldError(place, f"{mistake.message}{advice}")
