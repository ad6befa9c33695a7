"""What a program is given to read and run."""

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


def test_an_environment_comes_with_its_installation_and_nothing_beside_it(tmp_path: Path) -> None:
    made = environment(tmp_path)
    installation = [str(tmp_path / "installation" / name) for name in ("bin", "lib")]
    for found in (interpreter_paths(made / "bin" / "python"), program_paths(made / "bin" / "python")):
        assert found[0] == str(made)
        assert set(installation) <= set(found)
        assert str(tmp_path / "installation") not in found


def test_a_program_is_its_file_alone(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    assert program_paths("program", str(tmp_path)) == (str(program),)


def test_a_file_that_is_no_program_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert program_paths(tmp_path / "secret") == ()
    assert program_paths("no-such-program") == ()


def test_variables_open_what_they_name_but_not_everything() -> None:
    assert paths_in({"LD_LIBRARY_PATH": "/opt/a::/opt/b:relative:/", "HOME": "/home/x"}) == ("/opt/a", "/opt/b")


def test_a_home_is_removed_however_deep_it_is(tmp_path: Path) -> None:
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


def test_a_home_is_empty_again_when_it_is_made_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    (home / "left").touch()
    (home / "closed").mkdir(mode=0)
    make_home(home)
    assert list(home.iterdir()) == []
