"""Validation errors by field, for clients."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from klever_gateway.errors import FieldError, InvalidRequestError
from kleverproto.mistakes import Mistake, mistakes_in

ModelT = TypeVar("ModelT", bound=BaseModel)


def checked(model: type[ModelT], values: Mapping[str, object], prefix: str = "") -> ModelT:
    """Validate values by their model. Raises InvalidRequestError, by field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_request(error, model, prefix) from error


def invalid_request(
    error: ValidationError, model: type[BaseModel], prefix: str = "", advice: str = ""
) -> InvalidRequestError:
    """Return the error for values that are not valid for a model.

    Args:
        error: the validation error.
        model: the model.
        prefix: path of the values in the request.
        advice: text to append to each message.
    """
    errors = tuple(_field_error(each, prefix, advice) for each in mistakes_in(error, model))
    fields = ", ".join(dict.fromkeys(each.field for each in errors))
    return InvalidRequestError(f"the request is not valid: see {fields}", errors=errors)


def invalid_field(field: str, message: str) -> InvalidRequestError:
    """Return the error for one invalid field."""
    return InvalidRequestError(message, errors=(FieldError(field, message),))


def _field_error(mistake: Mistake, prefix: str, advice: str) -> FieldError:
    place = ".".join(filter(None, [prefix, mistake.place])) or "body"
    return FieldError(place, f"{mistake.message}{advice}")
