"""The directory of one run of Triton."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kleverserve.triton.folder import NEW_SECONDS, remove_leftovers, run_folder
from kleverserve.triton.repository import write_repository


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Directories for folders, and for shared memory."""
    for name in ("tmp", "shm"):
        (tmp_path / name).mkdir()
    return tmp_path / "tmp", tmp_path / "shm"


def make_old(path: Path) -> None:
    then = path.stat().st_mtime - 2 * NEW_SECONDS
    os.utime(path, (then, then))


def test_the_folder_is_removed_with_its_shared_memory(places: tuple[Path, Path]) -> None:
    root, memory = places
    with run_folder(root, memory) as folder:
        (folder / "models").mkdir()
        (memory / f"{folder.name}-1").touch()
        (memory / "of-somebody-else").touch()
    assert list(root.iterdir()) == []
    assert [path.name for path in memory.iterdir()] == ["of-somebody-else"]


def test_the_remains_of_a_killed_launcher_are_removed_by_the_next(places: tuple[Path, Path]) -> None:
    root, memory = places
    left = root / "klever-triton-left"
    (left / "models").mkdir(parents=True)
    make_old(left)
    (memory / f"{left.name}-1").touch()
    with run_folder(root, memory) as folder:
        assert list(root.iterdir()) == [folder]
        assert list(memory.iterdir()) == []


def test_a_folder_in_use_is_left_alone(places: tuple[Path, Path]) -> None:
    root, memory = places
    with run_folder(root, memory) as folder:
        make_old(folder)
        remove_leftovers(root, memory)
        assert folder.is_dir()


def test_a_new_folder_that_is_not_locked_yet_is_left_alone(places: tuple[Path, Path]) -> None:
    root, memory = places
    new = root / "klever-triton-new"
    new.mkdir()
    remove_leftovers(root, memory)
    assert new.is_dir()


def test_the_process_of_the_model_finds_both_packages_of_the_server(tmp_path: Path) -> None:
    """Each may be in a separate directory, and the process ignores PYTHONPATH."""
    repository = write_repository(tmp_path, name="m", config="")
    program = (repository / "m" / "1" / "model.py").read_text().replace("from kleverserve.triton.backend", "# from")
    given = ("-I", "-S", "-c", f"{program}\nimport kleverserve, modelfiles")
    assert subprocess.run([sys.executable, *given], check=False).returncode == 0
