"""Small disks under the directories of a platform's services, which a test can fill."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

MEGABYTE = 2**20
BALLAST = "ballast"


class SmallDisk:
    """A mounted file system."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.is_full = False

    def fill(self) -> None:
        """Use all free space."""
        self.is_full = True
        with suppress(OSError), (self.directory / BALLAST).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        with suppress(OSError), (self.directory / BALLAST).open("ab", buffering=0) as file:
            while True:
                file.write(b"x")

    def free(self) -> None:
        """Free the space again."""
        (self.directory / BALLAST).unlink(missing_ok=True)
        self.is_full = False


@contextmanager
def small_disks(home: Path, megabytes: dict[str, int]) -> Iterator[dict[str, SmallDisk] | str]:
    """Mount a disk for each service, by name, for the block. Give the reason instead if that is not possible."""
    with ExitStack() as stack:
        try:
            disks = {part: stack.enter_context(_mounted(home / part, size)) for part, size in megabytes.items()}
        except (OSError, subprocess.CalledProcessError) as error:
            yield f"this user may not mount a file system: {error}"
            return
        yield disks


@contextmanager
def _mounted(directory: Path, megabytes: int) -> Iterator[SmallDisk]:
    directory.mkdir(parents=True)
    options = f"size={megabytes * MEGABYTE},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(directory)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
