"""Lines of model servers, from their files to events."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from klever_deployer.adapters.local.log_files import (
    CHUNK,
    LARGEST_BACKLOG,
    LARGEST_FILE,
    LONGEST_LINE,
    LogFiles,
    new_name,
)
from klever_deployer.adapters.local.replica_specs import ReplicaKey
from support.deployer import IRIS

LOG = "default.iris.v1.0a1b.0.5eed.log"


def logs_in(directory: Path) -> LogFiles:
    return LogFiles(directory, directory / "read.json")


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogFiles]:
    with closing(logs_in(tmp_path)) as logs:
        yield logs


async def lines_of(logs: LogFiles) -> list[str]:
    """Read and acknowledge the next lines."""
    parts = await logs.read()
    await logs.acknowledge(parts)
    return [line for part in parts for line in part.lines]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_complete_lines_come_once_and_name_their_replica(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\ntw")
    (part,) = await logs.read()
    assert (str(part.version.serving), part.version.variant, part.replica, part.lines) == (
        "default/iris",
        "v1",
        0,
        ("one",),
    )
    await logs.acknowledge([part])
    assert await lines_of(logs) == []
    append(tmp_path / LOG, "o\n")
    assert await lines_of(logs) == ["two"]


async def test_an_unacknowledged_part_is_repeated_unchanged(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\n")
    (first,), (again,) = await logs.read(), await logs.read()
    assert first == again


async def test_the_next_deployer_resumes_from_the_last_position(tmp_path: Path) -> None:
    for line in ("one", "two"):
        append(tmp_path / LOG, f"{line}\n")
        with closing(logs_in(tmp_path)) as logs:
            assert await lines_of(logs) == [line]


async def test_the_rest_of_a_removed_file_is_read_before_the_next_file(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "one\n")
    assert await lines_of(logs) == ["one"]
    append(tmp_path / LOG, "last\n")
    (tmp_path / LOG).unlink()
    assert await lines_of(logs) == ["last"]
    assert await lines_of(logs) == []
    append(tmp_path / LOG, "new\n")
    assert await lines_of(logs) == ["new"]


async def test_an_endless_line_is_cut_and_a_large_file_is_rotated(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "x" * CHUNK)
    assert await lines_of(logs) == ["x" * LONGEST_LINE]
    append(tmp_path / LOG, ("y" * 1023 + "\n") * (LARGEST_FILE // 1024 + 1))
    while await lines_of(logs):
        pass
    assert (tmp_path / LOG).stat().st_size == 0
    append(tmp_path / LOG, "on\n")
    assert await lines_of(logs) == ["on"]


async def ids(logs: LogFiles) -> list[str]:
    """The ids of the next parts, which are acknowledged."""
    parts = await logs.read()
    await logs.acknowledge(parts)
    return [part.id for part in parts]


async def test_a_redeployed_replica_has_parts_with_new_ids(tmp_path: Path, logs: LogFiles) -> None:
    """The system may give the new file the inode of the old one; equal ids are dropped as duplicates."""
    seen = []
    for _ in range(5):
        append(tmp_path / LOG, "starting\n")
        seen += await ids(logs)
        (tmp_path / LOG).unlink()
        assert await ids(logs) == []
    assert len(set(seen)) == 5


async def test_a_rotated_file_has_parts_with_new_ids(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / LOG, "first\n")
    before = await ids(logs)
    append(tmp_path / LOG, ("y" * 1023 + "\n") * (LARGEST_FILE // 1024))
    while await lines_of(logs):
        pass
    assert (tmp_path / LOG).stat().st_size == 0
    append(tmp_path / LOG, "first\n")
    assert await ids(logs) not in ([], before)


async def test_the_next_deployer_reads_a_redeployed_replica_from_the_start_of_its_log(tmp_path: Path) -> None:
    key = ReplicaKey(IRIS, "v1", "0a1b", 0)
    names = [new_name(key), new_name(key)]
    seen = []
    for name in names:
        append(tmp_path / name, "starting\n")
        with closing(logs_in(tmp_path)) as logs:
            seen += await ids(logs)
        (tmp_path / name).unlink()  # killed here: the position is still recorded
    assert len(set(seen)) == 2


async def test_a_file_that_was_emptied_without_a_deployer_is_read_from_its_start(tmp_path: Path) -> None:
    append(tmp_path / LOG, "one\ntwo\n")
    with closing(logs_in(tmp_path)) as logs:
        assert await lines_of(logs) == ["one", "two"]
    (tmp_path / LOG).write_text("new\n")
    with closing(logs_in(tmp_path)) as logs:
        assert await lines_of(logs) == ["new"]


async def test_a_server_that_writes_faster_than_its_lines_are_read_does_not_fill_the_disk(
    tmp_path: Path, logs: LogFiles
) -> None:
    append(tmp_path / LOG, "one\n")
    await logs.read()  # not acknowledged, because NATS is down
    with (tmp_path / LOG).open("a") as file:
        file.truncate(LARGEST_BACKLOG + 100)
    (part,) = await logs.read()
    assert (tmp_path / LOG).stat().st_size < CHUNK
    assert part.lines == (
        f"klever: {LARGEST_BACKLOG + 100} bytes were dropped here: they were written faster than they are read",
    )
    append(tmp_path / LOG, "on\n")
    assert (await lines_of(logs))[-1] == "on"


async def test_lines_are_read_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "read.json").mkdir()  # nothing can be written there
    append(tmp_path / LOG, "one\n")
    with closing(logs_in(tmp_path)) as logs:
        assert await lines_of(logs) == ["one"]
        assert await lines_of(logs) == []


async def test_files_that_are_not_replica_logs_are_left_alone(tmp_path: Path, logs: LogFiles) -> None:
    append(tmp_path / "notes.log", "one\n")
    assert await logs.read() == []
