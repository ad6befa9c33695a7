"""Parameters of a serving's variant, as one JSON object."""

from dataclasses import dataclass

import orjson

NAMES = {"maxBatchRows": "max_batch_rows", "threads": "threads"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The given parameters; missing ones are None."""

    max_batch_rows: int | None = None
    """Maximum number of rows in a batch of requests."""
    threads: int | None = None
    """Number of threads for one run of the model."""


def parse_parameters(text: str) -> Parameters:
    """Parse parameters such as `{"maxBatchRows": 32}`.

    Raises:
        ValueError: it is not a JSON object, has an unknown option, or a value is not a positive integer.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the parameters are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError("the parameters must be a JSON object")  # noqa: TRY004 - it is about a text
    if unknown := sorted(set(given) - set(NAMES)):
        raise ValueError(f"unknown parameter {', '.join(unknown)}; the parameters are: {', '.join(sorted(NAMES))}")
    for name, value in given.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"the parameter {name} is {value!r:.40}, but must be an integer of at least 1")
    return Parameters(**{NAMES[name]: value for name, value in given.items()})
