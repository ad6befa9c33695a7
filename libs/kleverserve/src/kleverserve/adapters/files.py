"""A model's file for engines that go by its name, and what an engine said in many lines in one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def called(file: Path, suffix: str) -> Iterator[Path]:
    """Inside, a path to the file whose name ends in `suffix`: the file's own, or a link in a private directory."""
    if file.name.endswith(suffix):
        yield file
        return
    with TemporaryDirectory(prefix="kleverserve-") as directory:
        link = Path(directory) / f"model{suffix}"
        link.symlink_to(file.absolute())
        yield link


def one_line(error: BaseException) -> str:
    """What an error says, without its line breaks; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
