"""`--input` in the forms that users write."""

from pathlib import Path
from typing import Any

import pytest

from klever.cli.inputs import named_value
from klever.errors import InputError


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("x=[[1, 2]]", "x", [[1, 2]]),
        ("n=7", "n", 7),
        ('{"a": [1], "b": ["x=y"]}', "", {"a": [1], "b": ["x=y"]}),
        ("[[1, 2]]", "", [[1, 2]]),
        ("7", "", 7),
        ('"hello"', "", "hello"),
    ],
)
def test_a_value_has_a_name_or_is_a_document(text: str, name: str, value: Any) -> None:
    assert named_value(text, "--input") == (name, value)


def test_a_file_is_read_with_and_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    assert named_value(f"@{tmp_path}/x.json", "--input") == ("", [1])
    assert named_value(f"x=@{tmp_path}/x.json", "--input") == ("x", [1])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("hello", "has no name of an input: write --input"), ('{"a": [1,', "the values of --input are not JSON")],
)
def test_an_invalid_value_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        named_value(text, "--input")
