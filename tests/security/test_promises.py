"""The page about security names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)`")


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED_TEST.findall((ROOT / "docs" / "security.md").read_text())

    assert [path for path in named if not (ROOT / path).is_file()] == []
