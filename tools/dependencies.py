"""Runs deptry over each member: imports and declared dependencies must agree."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Check every member. Return the highest exit code."""
    codes = [_check(path.parent) for path in sorted(ROOT.glob("*/*/pyproject.toml"))]
    return max(codes)


def _check(member: Path) -> int:
    """Run deptry in the member's directory, because it reads the member's own pyproject."""
    command = [sys.executable, "-m", "deptry", "--no-ansi", str(member / "src")]
    done = subprocess.run(command, cwd=member, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{member.relative_to(ROOT)}:\n{done.stderr}", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
