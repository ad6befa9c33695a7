"""Links between the pages of the documentation, and the commands that they name."""

import re
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path

import click
import pytest

from klever.cli.__main__ import cli

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    str(page.relative_to(ROOT)) for pattern in ("*.md", "docs/*.md", "docs/adr/*.md") for page in ROOT.glob(pattern)
)
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HISTORY = "CHANGELOG.md"
"""Page that also names commands of earlier releases."""


def text(page: str) -> str:
    return CODE.sub("", (ROOT / page).read_text())


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the anchor of each link inside the repository."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        path, _, anchor = link.partition("#")
        if ":" not in path:
            yield normpath(Path(page).parent / path) if path else page, anchor


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for path, anchor in links(page):
        assert (ROOT / path).exists(), path
        assert not anchor or anchor in anchors(path), f"{path}#{anchor}"


def test_readme_links_each_page() -> None:
    linked = {path for path, _ in links("README.md")}
    assert {page for page in PAGES if re.fullmatch(r"docs/[^/]*|[^/]*", page)} - {"README.md"} <= linked


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/adr/")])
def test_decision_has_its_number_and_a_status(page: str) -> None:
    lines = (ROOT / page).read_text().splitlines()
    assert lines[0].startswith(f"# {Path(page).name[:4]}. ")
    assert lines[2].startswith("Status: ")


def test_decisions_that_pages_name_exist() -> None:
    numbers = {Path(page).name[:4] for page in PAGES if page.startswith("docs/adr/")}
    named = {number for page in PAGES for number in re.findall(r"\bADR (\d{4})\b", text(page))}
    assert named
    assert named <= numbers


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_commands_that_pages_name_exist(page: str) -> None:
    for named in re.findall(r"(?:`|^)klever ([a-z][-a-z]*(?: [a-z][-a-z]*)?)", (ROOT / page).read_text(), re.MULTILINE):
        command: click.Command = cli
        for word in named.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"klever {named}"
            command = command.commands[word]
