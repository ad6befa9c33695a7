"""The position in a log: no line is lost or repeated when a connection is replaced."""

from kleverkubeclient.log_cursor import LogCursor

LINES = [b"2026-01-01T00:00:01.1Z a\n", b"2026-01-01T00:00:01.2Z b\n", b"2026-01-01T00:00:01.2Z b\n"]
LATER = b"2026-01-01T00:00:02.0Z c"


def read(cursor: LogCursor, lines: list[bytes]) -> list[str]:
    cursor.begin()
    return [text for line in lines if (text := cursor.take(line)) is not None]


def test_lines_with_the_same_time_are_all_read() -> None:
    assert read(LogCursor(), LINES) == ["a", "b", "b"]


def test_lines_that_a_new_connection_repeats_are_left_out() -> None:
    cursor = LogCursor()
    read(cursor, LINES[:2])
    assert read(cursor, [*LINES, LATER]) == ["b", "c"]
    assert read(cursor, [*LINES, LATER]) == []


def test_next_connection_starts_at_the_time_of_the_last_line() -> None:
    cursor = LogCursor()
    assert cursor.time is None
    read(cursor, LINES)
    assert cursor.time == "2026-01-01T00:00:01.2Z"
