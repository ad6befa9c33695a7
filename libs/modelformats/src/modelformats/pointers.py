"""Pointer files that Git extensions store in place of large files."""

import os
from collections.abc import Iterator
from pathlib import Path

from .errors import InvalidModelError
from .format import head

LARGEST = 1024
"""In bytes; the specification of Git LFS (docs/spec.md) allows no more, and the others need less."""
SHOWN = 3
"""Maximum number of files that an error names; the rest is counted."""
LFS, ANNEX, XET = "Git LFS", "git-annex", "Xet"
STARTS = {
    b"version https://git-lfs.github.com/spec/": LFS,
    b"version https://hawser.github.com/spec/": LFS,
    b"/annex/objects/": ANNEX,
    b"# xet version": XET,
}
ANNEX_LINK = "annex/objects/"
REMEDIES = {
    LFS: "run `git lfs pull` in the repository",
    ANNEX: "run `git annex get .` in the repository",
    XET: "download the files with `hf download`",
}


def refuse_pointers(directory: Path) -> None:
    """Check that no file of a model is a pointer.

    Raises:
        InvalidModelError: some are pointers; the message names them and the command that downloads the data.
    """
    if sentence := pointers_in(directory):
        raise InvalidModelError(sentence)


def pointers_in(directory: Path) -> str | None:
    """Return a sentence that names pointer files, with the remedy; None if there are none."""
    kinds = dict(_pointers(directory))
    if not kinds:
        return None
    kind = next(iter(kinds.values()))
    names = sorted(name for name, each in kinds.items() if each == kind)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    are = "is a pointer" if len(names) == 1 else "are pointers"
    return (
        f"{', '.join(names[:SHOWN])}{more} {are} of {kind}, not the data itself, which was not downloaded: "
        f"{REMEDIES[kind]}, or remove what the model does not need"
    )


def _pointers(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the path relative to the directory, and the kind of pointer."""
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if kind := _kind(path):
                shown = path.relative_to(directory).as_posix()
                yield (shown if shown.isprintable() else repr(shown)), kind


def _kind(path: Path) -> str | None:
    if not path.is_file():
        return ANNEX if path.is_symlink() and ANNEX_LINK in path.readlink().as_posix() else None
    if path.stat().st_size > LARGEST:
        return None
    start = head(path, max(map(len, STARTS)))
    return next((kind for begin, kind in STARTS.items() if start.startswith(begin)), None)
