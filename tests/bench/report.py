"""Figures as a table: on the screen, and in the section of docs/performance.md for the benchmark."""

import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
COLUMNS = ("what", "measured", "goal", "")


@dataclass(frozen=True)
class Figure:
    """One line of a report."""

    what: str
    measured: str
    goal: str = ""
    is_met: bool | None = None
    """None if there is no target."""

    def cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        verdict = {None: "", True: "met", False: "**missed**"}[self.is_met]
        return (self.what, self.measured, self.goal, verdict)


def at_most(what: str, value: float, goal: float, unit: str) -> Figure:
    """A figure that should be small."""
    return Figure(what, f"{value:.3g} {unit}", f"≤ {goal:g} {unit}", value <= goal)


def at_least(what: str, value: float, goal: float, unit: str) -> Figure:
    """A figure that should be large."""
    return Figure(what, f"{value:.3g} {unit}", f"≥ {goal:g} {unit}", value >= goal)


def machine() -> str:
    """A description of the machine."""
    cpus, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {cpus} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def write(section: str, command: str, figures: list[Figure], page: Path = PAGE) -> None:
    """Print the table and put it between the section's marks.

    Raises:
        ValueError: the page has no such section.
    """
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(figure.cells() for figure in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    when = datetime.now(UTC).date().isoformat()
    text = f"{table}\n\n`{command}`, {when}, on {machine()}."
    print(text)
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    old = page.read_text()
    if not pattern.search(old):
        raise ValueError(f"{page} has no section {section}")
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", old))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.processor() or platform.machine()
