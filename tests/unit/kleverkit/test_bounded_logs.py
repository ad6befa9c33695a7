"""Logs whose writers append."""

from pathlib import Path

from kleverkit.bounded_logs import truncate_if_large


def test_an_oversized_log_is_truncated_and_its_writer_continues(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old lines\n")
        assert not truncate_if_large(path, largest=10)
        writer.write(b"one more\n")
        assert truncate_if_large(path, largest=10)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"old lines\none more\n"


def test_old_lines_are_dropped_if_there_is_no_space_for_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("old lines\n")
    in_the_way = tmp_path / "part.log.1"
    in_the_way.symlink_to(tmp_path / "no such directory" / "file")
    assert truncate_if_large(path, largest=5)
    assert path.read_text() == ""


def test_a_missing_log_is_left_alone(tmp_path: Path) -> None:
    assert not truncate_if_large(tmp_path / "part.log", largest=0)
