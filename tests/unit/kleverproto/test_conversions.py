"""The contents of a request for a conversion."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from kleverproto.conversions import INLINE_SAMPLES_BYTES, Conversion

DIGEST = f"sha256:{'c' * 64}"


def test_numbers_text_and_lists_are_samples() -> None:
    samples = {"scale": 0.5, "word": "a", "rows": [[1, None]]}
    assert Conversion(to="ONNX", samples=samples).samples == samples


def test_the_samples_of_a_request_have_a_maximum_size() -> None:
    most = "a" * (INLINE_SAMPLES_BYTES - len('{"x": ""}'))
    assert Conversion(to="ONNX", samples={"x": most}).samples["x"] == most
    with pytest.raises(ValidationError, match=f"{INLINE_SAMPLES_BYTES + 1} bytes of JSON, .* samplesDigest"):
        Conversion(to="ONNX", samples={"x": most + "a"})


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"samples": {"x": [math.nan]}}, "write null"), ({"samples": {"x": 1}, "samples_digest": DIGEST}, "not both")],
)
def test_samples_that_contradict_json_or_each_other_are_refused(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Conversion(to="ONNX", **more)
