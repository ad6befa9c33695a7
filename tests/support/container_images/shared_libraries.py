"""The shared libraries that programs need, as an image without a distribution has to contain them."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

LIBRARY = re.compile(r"^\s+(?P<name>\S+) => (?P<path>/\S+) \(0x", re.MULTILINE)
LOADER = re.compile(r"^\s+(?P<path>/\S+) \(0x", re.MULTILINE)
ELF = b"\x7fELF"


def add_libraries(root: Path, programs: Iterable[Path]) -> None:
    """Copies the libraries that programs need from this machine into a file system.

    Args:
        root: the file system. The dynamic loader keeps its path; libraries go to /lib, which it searches.
        programs: executable files and shared libraries. Libraries below the root are in their place.
    """
    output = _dependencies([str(path) for path in programs if _is_elf(path)])
    for loader in {match["path"] for match in LOADER.finditer(output)}:
        _copy(Path(loader), root / loader.lstrip("/"))
    for name, path in {(match["name"], match["path"]) for match in LIBRARY.finditer(output)}:
        if not Path(path).is_relative_to(root):
            _copy(Path(path), root / "lib" / name)


def _dependencies(programs: list[str]) -> str:
    """The output of ldd, which fails for a library of another architecture and lists the others."""
    return subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return content.read(len(ELF)) == ELF


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
