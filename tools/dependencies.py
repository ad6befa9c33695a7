"""Runs deptry over each member: what it imports it declares, what it declares it imports."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Check every member; the worst exit code."""
    codes = [_check(path.parent) for path in sorted(ROOT.glob("*/*/pyproject.toml"))]
    return max(codes)


def _check(member: Path) -> int:
    """Deptry reads the member's own pyproject, so it runs in its folder."""
    command = [sys.executable, "-m", "deptry", "--no-ansi", str(member / "src")]
    done = subprocess.run(command, cwd=member, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{member.relative_to(ROOT)}:\n{done.stderr}", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
