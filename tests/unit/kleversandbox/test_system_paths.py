"""The files that a program can read and run."""

import os
import shutil
from pathlib import Path

from kleversandbox.homes import make_home, remove_home
from kleversandbox.system_paths import interpreter_paths, paths_in, program_paths


def environment(directory: Path) -> Path:
    """A virtual environment of an installation, without the programs."""
    python = directory / "installation" / "bin" / "python3"
    made = directory / "environment"
    for each in (python.parent, made / "bin"):
        each.mkdir(parents=True)
    shutil.copy("/bin/true", python)
    (made / "pyvenv.cfg").touch()
    (made / "bin" / "python").symlink_to(python)
    return made


def test_an_environment_includes_only_its_installation(tmp_path: Path) -> None:
    made = environment(tmp_path)
    installation = [str(tmp_path / "installation" / name) for name in ("bin", "lib")]
    for paths in (interpreter_paths(made / "bin" / "python"), program_paths(made / "bin" / "python")):
        assert paths[0] == str(made)
        assert set(installation) <= set(paths)
        assert str(tmp_path / "installation") not in paths


def test_a_program_includes_only_its_file(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    assert program_paths("program", str(tmp_path)) == (str(program),)


def test_a_file_that_is_not_a_program_grants_no_access(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert program_paths(tmp_path / "secret") == ()
    assert program_paths("no-such-program") == ()


def test_variables_grant_access_to_the_paths_that_they_name_except_the_root() -> None:
    assert paths_in({"LD_LIBRARY_PATH": "/opt/a::/opt/b:relative:/", "HOME": "/home/x"}) == ("/opt/a", "/opt/b")


def test_a_deep_home_is_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    here = os.open(home, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    remove_home(home)
    assert not home.exists()


def test_a_recreated_home_is_empty(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    (home / "left").touch()
    (home / "closed").mkdir(mode=0)
    make_home(home)
    assert list(home.iterdir()) == []
