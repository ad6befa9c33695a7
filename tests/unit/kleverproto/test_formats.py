"""Format names as users write them."""

import pytest

from kleverproto.formats import FORMATS, TARGETS, UnknownFormatError, conversion_target, known_format


@pytest.mark.parametrize("name", FORMATS)
def test_format_names_are_case_insensitive(name: str) -> None:
    assert {known_format(text) for text in (name, name.lower(), name.upper())} == {name}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Onix", r"unknown format Onix, did you mean ONNX\?"),
        ("safetensor", r"did you mean SafeTensors\?"),
        ("zzz", "unknown format zzz: there are CaffeModel, "),
        ("", "unknown format : there are "),
    ],
)
def test_an_unknown_format_is_refused_with_the_likely_one(text: str, complaint: str) -> None:
    with pytest.raises(UnknownFormatError, match=complaint):
        known_format(text)


def test_a_format_without_a_converter_is_not_a_target() -> None:
    assert [conversion_target(name.lower()) for name in TARGETS] == list(TARGETS)
    with pytest.raises(UnknownFormatError, match="nothing can be converted to GGUF: the possible targets are "):
        conversion_target("gguf")
