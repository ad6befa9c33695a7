"""Finding a model's file, and saying in one line what an engine said in many."""

from pathlib import Path

from kleverserve.errors import ModelLoadError


def single_file(directory: Path, *patterns: str) -> Path:
    """The only file below `directory` that matches one of the patterns.

    Raises:
        ModelLoadError: there is none, or more than one; names the patterns and what was found.
    """
    files = sorted({file for pattern in patterns for file in directory.rglob(pattern) if file.is_file()})
    if len(files) != 1:
        found = ", ".join(str(file.relative_to(directory)) for file in files) or "none"
        wanted = " or ".join(pattern.removeprefix("*") for pattern in patterns)
        raise ModelLoadError(f"{directory} must hold exactly one {wanted} file, found: {found}")
    return files[0]


def one_line(error: BaseException) -> str:
    """What an error says, without its line breaks; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
