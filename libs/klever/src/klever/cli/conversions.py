"""How the result of a conversion is shown."""

from collections.abc import Iterator

from kleverproto.conversions import ConvertedModel


def describe_error(error: float) -> str:
    """The largest difference of a result from its source, given in parts of the output's range."""
    return f"outputs differ from the source's by at most {100 * error:.2g} % of their range"


def describe_conversion(made: ConvertedModel) -> Iterator[str]:
    """What was made, on which way, and how it was checked, line by line."""
    steps, check = made.record.steps, made.record.verification
    yield f"result:      {made.ref}, {made.digest}"
    if steps:
        yield f"route:       {' -> '.join((steps[0].source_format, *(step.target_format for step in steps)))}"
    if check.verified:
        yield f"verified:    {describe_error(check.error)}"
    else:
        yield f"verified:    no, {check.reason}"
