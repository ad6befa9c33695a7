"""Lines of model servers, from their files to events."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from klever_deployer.adapters.local.log_files import CHUNK, LARGEST_FILE, LONGEST_LINE, LogFiles

LOG = "default.iris.v1.0a1b.0.log"


def logs_in(directory: Path) -> LogFiles:
    return LogFiles(directory, directory / "read.json")


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogFiles]:
    with closing(logs_in(tmp_path)) as found:
        yield found


def lines_of(logs: LogFiles) -> list[str]:
    """What comes next, and is taken."""
    parts = logs.read()
    logs.taken(parts)
    return [line for part in parts for line in part.lines]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_lines_come_once_they_are_whole_and_say_whose_they_are(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\ntw")
    (part,) = logs.read()
    assert (str(part.key.serving), part.key.variant, part.key.index, part.lines) == ("default/iris", "v1", 0, ("one",))
    logs.taken([part])
    assert lines_of(logs) == []
    append(tmp_path / LOG, "o\n")
    assert lines_of(logs) == ["two"]


def test_what_was_not_taken_comes_again_as_the_same_part(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\n")
    (first,), (again,) = logs.read(), logs.read()
    assert first == again


def test_the_next_deployer_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    for line in ("one", "two"):
        append(tmp_path / LOG, f"{line}\n")
        with closing(logs_in(tmp_path)) as logs:
            assert lines_of(logs) == [line]


def test_last_words_of_a_removed_file_are_read_and_the_next_file_from_its_begin(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\n")
    assert lines_of(logs) == ["one"]
    append(tmp_path / LOG, "last\n")
    (tmp_path / LOG).unlink()
    assert lines_of(logs) == ["last"]
    assert lines_of(logs) == []
    append(tmp_path / LOG, "new\n")
    assert lines_of(logs) == ["new"]


def test_a_line_without_an_end_is_cut_and_a_large_file_begins_anew(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "x" * CHUNK)
    assert lines_of(logs) == ["x" * LONGEST_LINE]
    append(tmp_path / LOG, ("y" * 1023 + "\n") * (LARGEST_FILE // 1024 + 1))
    while lines_of(logs):
        pass
    assert (tmp_path / LOG).stat().st_size == 0
    append(tmp_path / LOG, "on\n")
    assert lines_of(logs) == ["on"]
