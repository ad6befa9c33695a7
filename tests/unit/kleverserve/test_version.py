"""The version that the server reports."""

import tomllib
from pathlib import Path

import kleverserve

PROJECT = Path(kleverserve.__file__).parents[2] / "pyproject.toml"


def test_the_version_is_that_of_the_project() -> None:
    assert kleverserve.__version__ == tomllib.loads(PROJECT.read_text())["project"]["version"]
