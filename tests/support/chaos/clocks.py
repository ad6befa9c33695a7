"""The wall clock of the platform's services, which a test can move without touching that of the machine."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shifted_clock.c")


class ShiftedClock:
    """A library that the services preload, and the file with the offset that it applies.

    Only the services use it: model servers and workers get an environment of their own, and nats-server calls the
    kernel itself.
    """

    def __init__(self, directory: Path) -> None:
        self._library = directory / "shifted_clock.so"
        self._file = directory / "clock"

    def build(self) -> str | None:
        """Compile the library. Return the reason if that is not possible, or None."""
        compiler = shutil.which("cc")
        if compiler is None:
            return "there is no C compiler here (cc)"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            return f"the library for it cannot be compiled: {done.stderr[:200]}"
        self.step(0)
        return None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that the services need."""
        return {"LD_PRELOAD": str(self._library), "KLEVER_CHAOS_CLOCK": str(self._file)}

    def step(self, seconds: float) -> None:
        """Set the offset between the clocks of the services and that of the machine."""
        if not self._file.exists():
            self._file.write_bytes(bytes(8))
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))
