"""Write the hashes of every pinned package into the toolchains' requirements.

Change a version in a file, then run this: it keeps comments and pins as they are, and adds the hashes of every wheel
and source archive of that version from the package index.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = (
    *sorted((ROOT / "libs/modelconversion/src/modelconversion/toolchains/requirements").iterdir()),
    *sorted((ROOT / "tests/toolchains/netron/recipes").iterdir()),
)
PIN = re.compile(r"^[A-Za-z0-9][\w.\[\]-]*==[^\s;\\]+(?: ;[^\\\n]*)?", re.MULTILINE)


def rewritten(text: str, resolved: str) -> str:
    """The comments and the resolved pins of a file."""
    comments = [line for line in text.splitlines() if line.startswith("#")]
    return "\n".join([*comments, resolved.strip()]) + "\n"


def resolve(pins: list[str]) -> str:
    """The same pins with their hashes."""
    command = ("uv", "pip", "compile", "--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "-q", "-")
    options = ("--python-version", "3.11", "--universal")
    done = subprocess.run([*command, *options], input="\n".join(pins), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    """Rewrite every file."""
    for path in RECIPES:
        text = path.read_text()
        path.write_text(rewritten(text, resolve([pin.strip() for pin in PIN.findall(text)])))


if __name__ == "__main__":
    main()
