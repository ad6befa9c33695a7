"""File names with the suffix that an engine requires, and error messages on one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def called(file: Path, suffix: str) -> Iterator[Path]:
    """Yield a path to the file that ends in `suffix`: its own path, or a link in a private directory."""
    if file.name.endswith(suffix):
        yield file
        return
    with TemporaryDirectory(prefix="kleverserve-") as directory:
        link = Path(directory) / f"model{suffix}"
        link.symlink_to(file.absolute())
        yield link


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks, or its type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
