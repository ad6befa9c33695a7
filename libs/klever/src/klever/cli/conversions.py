"""Descriptions of the results of conversions."""

from collections.abc import Iterator

from kleverproto.conversions import ConvertedModel


def describe_error(error: float) -> str:
    """Return text with the largest difference from the source, given as a fraction of the output's range."""
    return f"outputs differ from those of the source by at most {100 * error:.2g} % of their range"


def describe_conversion(result: ConvertedModel) -> Iterator[str]:
    """Return lines with the result, its route and its verification."""
    steps, check = result.record.steps, result.record.verification
    yield f"result:      {result.ref}, {result.digest}"
    if steps:
        yield f"route:       {' -> '.join((steps[0].source_format, *(step.target_format for step in steps)))}"
    if check.verified:
        yield f"verified:    {describe_error(check.error)}"
    else:
        yield f"verified:    no, {check.reason}"
