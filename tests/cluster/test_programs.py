"""Go programs are built once, and again when what they are built from changes."""

import shutil
from pathlib import Path

import pytest

from support.go_tools import built

PACKAGE = "github.com/kleveross/klever/tools/pause"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed here")
    monkeypatch.setenv("KLEVER_CACHE", str(tmp_path))


def test_program_that_is_up_to_date_is_not_built_again() -> None:
    program = built(PACKAGE, "pause")
    program.write_bytes(b"as it was")
    assert built(PACKAGE, "pause").read_bytes() == b"as it was"


def test_program_is_built_again_with_other_flags() -> None:
    size = built(PACKAGE, "pause").stat().st_size
    assert built(PACKAGE, "pause", flags=("-ldflags", "-s -w")).stat().st_size < size


def test_program_that_was_removed_is_built_again() -> None:
    built(PACKAGE, "pause").unlink()
    assert built(PACKAGE, "pause").exists()
