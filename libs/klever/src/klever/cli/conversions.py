"""How the result of a conversion is shown."""

from collections.abc import Iterator

from kleverproto.conversions import ConvertedModel


def describe_conversion(made: ConvertedModel) -> Iterator[str]:
    """What was made, on which way, and how it was checked, line by line."""
    steps, check = made.record.steps, made.record.verification
    yield f"result:      {made.ref}, {made.digest}"
    if steps:
        yield f"route:       {' -> '.join((steps[0].source_format, *(step.target_format for step in steps)))}"
    if check.verified:
        largest = max((difference.absolute for difference in check.differences), default=0.0)
        yield f"verified:    outputs differ by at most {largest:.3g}"
    else:
        yield f"verified:    no, {check.reason}"
