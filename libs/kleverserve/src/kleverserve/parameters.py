"""Options that people give with a serving's variant, as one JSON object."""

from dataclasses import dataclass

import orjson

NAMES = {"maxBatchRows": "max_batch_rows", "threads": "threads"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was given; None where it was not."""

    max_batch_rows: int | None = None
    """Most rows that requests are put together to."""
    threads: int | None = None
    """Threads that one run of the model may use."""


def parse_parameters(text: str) -> Parameters:
    """Read `{"maxBatchRows": 32}`.

    Raises:
        ValueError: it is no JSON object, names an unknown option, or a value is no whole number from 1 up.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the parameters are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError("the parameters must be a JSON object")  # noqa: TRY004 - it is about a text
    if unknown := sorted(set(given) - set(NAMES)):
        raise ValueError(f"there is no parameter {', '.join(unknown)}; there are: {', '.join(sorted(NAMES))}")
    for name, value in given.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"the parameter {name} is {value!r:.40}, but must be a whole number from 1 up")
    return Parameters(**{NAMES[name]: value for name, value in given.items()})
