"""The contract's names of formats equal those of the parsers and converters."""

from pathlib import Path

import pytest

import modelformats
from kleverproto.formats import FORMATS, TARGETS
from modelconversion.pairs import PAIRS
from modelformats.catalogue import KNOWN_FORMATS
from modelformats.errors import InvalidModelError


def test_the_contract_names_every_format() -> None:
    assert sorted(FORMATS) == list(KNOWN_FORMATS)


def test_the_contract_names_every_target_of_a_conversion() -> None:
    assert sorted({pair.target for pair in PAIRS}) == list(TARGETS)


def test_an_unknown_format_of_a_directory_is_refused_with_the_likely_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"unknown format Onix, did you mean ONNX\?"):
        modelformats.validate_layout("Onix", tmp_path)
