"""Backups contain everything that the documentation says they do."""

import re
from pathlib import Path

from klever.backup.home_files import ACCOUNTS, DIRECTORIES

OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
SERVERS = {"nats", "registry"}
"""Directories whose content is read through snapshots, and as repositories."""


def named(text: str) -> set[str]:
    """The files of the home that a text names."""
    return set(re.findall(r"\$KLEVER_HOME/([\w./-]+)", text))


def test_the_page_names_everything_that_is_in_backups() -> None:
    documented = {path for line in OPERATIONS.splitlines() if "in backups" in line for path in named(line)}
    assert documented == {ACCOUNTS, "token", *DIRECTORIES, *SERVERS}
