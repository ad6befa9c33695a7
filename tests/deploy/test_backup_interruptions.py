"""`klever backup` is stopped or killed in the middle: there is a whole backup or home, or none."""

import signal
from pathlib import Path

import pytest

from klever.platform.home import Home
from support.commands import Shell
from support.stopped_platform import DataDirectory, stopped_platform
from support.waiting import eventually
from support.whole_platform import processes_below

GIB = 1024**3
MIB = 1024**2


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def first(directory: Path, pattern: str) -> Path:
    """Wait for a file."""

    async def files() -> list[Path]:
        return list(directory.glob(pattern))  # noqa: ASYNC240 - a few files

    return (await eventually(files, within=60))[0]


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    """A platform whose model takes long to read."""
    home = await stopped_platform(tmp_path / "home")
    DataDirectory(home.of("registry")).enlarge_weights(4 * GIB)
    return home


async def interrupted_backup(home: Home, directory: Path, signum: int) -> str:
    """Start a backup, and send a signal while the weights are read. Return its output of errors."""
    (directory / "out").mkdir()
    process = await Shell(home.path, directory).start("klever", "backup", "create", str(directory / "out" / "backup"))
    partial = await first(directory / "out", ".backup.*.partial")

    async def is_large() -> bool:
        return partial.stat().st_size > 4 * MIB

    await eventually(is_large, within=60)
    process.send_signal(signum)
    _, errors = await process.communicate()
    assert process.returncode
    return errors.decode()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopped_backup_leaves_nothing(home: Home, tmp_path: Path, signum: int) -> None:
    assert (await interrupted_backup(home, tmp_path, signum)).strip() == "Aborted!"
    assert names(tmp_path / "out") == []
    assert processes_below(home.path) == []


async def test_a_killed_backup_leaves_no_file_with_its_name(home: Home, tmp_path: Path) -> None:
    await interrupted_backup(home, tmp_path, signal.SIGKILL)
    [partial] = (tmp_path / "out").iterdir()
    assert partial.name.endswith(".partial")
    done = await Shell(tmp_path / "restored", tmp_path).run(f"klever backup restore {partial}")
    assert done.code == 1
    assert "cannot be restored: " in done.err
    assert not (tmp_path / "restored").exists()
    DataDirectory(home.of("registry")).write("library/iris-again")  # the home is not locked any more
    await eventually(lambda: no_process(home), within=20)


async def no_process(home: Home) -> bool:
    return processes_below(home.path) == []


async def test_a_killed_restoration_leaves_no_home_and_can_be_repeated(tmp_path: Path) -> None:
    home = await stopped_platform(tmp_path / "home", log_bytes=32 * MIB)
    shell = Shell(home.path, tmp_path)
    await shell.ok(f"klever backup create {tmp_path / 'backup'}")
    other = Shell(tmp_path / "new" / "home", tmp_path)
    process = await other.start("klever", "backup", "restore", str(tmp_path / "backup"))
    await first(tmp_path / "new", ".home.*.restoring/nats/jetstream/klever/streams/*")
    process.kill()
    await process.communicate()
    assert not (tmp_path / "new" / "home").exists()
    await other.ok(f"klever backup restore {tmp_path / 'backup'}")
    assert Home(tmp_path / "new" / "home").token.read_text() == home.token.read_text()
