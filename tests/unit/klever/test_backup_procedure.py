"""The documented backup contains everything that the documentation lists and the platform stores."""

import re
from pathlib import Path

from klever.platform.home import Home

OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()


def named(text: str) -> set[str]:
    """The files of the home that a text names."""
    return set(re.findall(r"\$KLEVER_HOME/([\w./-]+)", text))


def test_the_procedure_covers_everything_to_back_up() -> None:
    wanted = {path for line in OPERATIONS.splitlines() if "| no: back it up |" in line for path in named(line)}
    procedure = OPERATIONS.split("stop the platform and copy", 1)[1].split("\n\n", 1)[0]
    assert Home(Path("/h")).accounts.name in wanted
    assert wanted <= named(procedure)
