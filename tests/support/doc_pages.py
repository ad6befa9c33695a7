"""The code blocks of a documentation page, and how each is handled; pure.

An HTML comment on the line above a block's fence is its marker: `<!-- not run: REASON -->`, `<!-- file: NAME -->` for
the contents of a file, `<!-- terminal -->` for a command that stays in a separate terminal until the platform is
ready, `<!-- fails -->` for one that shows an error. A `text` block that follows a run block is its output.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

RUN = {"sh": ("bash", "-euo", "pipefail", "-c"), "python": ("python", "-c")}
"""Languages whose blocks are run, with the program that takes a block as its last argument."""
FENCE = re.compile(r"^\s*```(\w*)\s*$")
MARKER = re.compile(r"^\s*<!-- (not run|file|terminal|fails)(?:: (.*?))? -->\s*$")
LEFT_OUT = "…"
"""Stands for any text in a block of output."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    """The line of the opening fence, counted from 1."""
    language: str
    text: str
    marker: str = ""
    argument: str = ""
    """The text after the colon of the marker: a reason, or the name of a file."""
    output: str | None = None
    """The output that the page shows."""

    @property
    def is_run(self) -> bool:
        """Return whether a reader would run the block."""
        return self.language in RUN and self.marker != "not run"


def blocks_of(page: str) -> list[Block]:
    """Return every block, with the output that belongs to it."""
    blocks: list[Block] = []
    for block in _fenced(page.splitlines()):
        if block.language == "text" and blocks and blocks[-1].language in RUN and blocks[-1].output is None:
            blocks[-1] = replace(blocks[-1], output=block.text)
        else:
            blocks.append(block)
    return blocks


def shows(printed: str, expected: str) -> bool:
    """Return whether the lines of a page appear in the output, in order. Runs of spaces count as one."""
    lines = (" ".join(line.split()) for line in expected.splitlines() if line.strip())
    pattern = r"(?:.*\n)*".join(re.escape(line).replace(re.escape(LEFT_OUT), ".*") + r"\n" for line in lines)
    plain = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines())
    return re.search("^" + pattern, plain, re.MULTILINE) is not None


def _fenced(lines: list[str]) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening is None:
            number += 1
            continue
        end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == "```")
        marked = MARKER.match(lines[number - 1]) if number else None
        marker, argument = (marked[1], marked[2] or "") if marked else ("", "")
        text = "\n".join(lines[number + 1 : end]) + "\n"
        yield Block(number + 1, opening[1], text, marker, argument)
        number = end + 1
