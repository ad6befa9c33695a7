"""The position in the log of a container, so that a new connection continues after the last line."""


class LogCursor:
    """The last line that was read.

    The API starts at a time, so lines of that time that were read before are repeated, and left out here.
    """

    def __init__(self) -> None:
        self.time: str | None = None
        """Time of the last line, from which the next connection starts."""
        self._lines = 0
        self._repeated = 0

    def begin(self) -> None:
        """Begin with a new connection."""
        self._repeated = self._lines

    def take(self, line: bytes) -> str | None:
        """The text of a line with its time; None if it was read before."""
        time, _, text = line.decode(errors="replace").rstrip("\n").partition(" ")
        if self.time is not None and time < self.time:
            return None
        if time == self.time and self._repeated:
            self._repeated -= 1
            return None
        self._lines = self._lines + 1 if time == self.time else 1
        self.time, self._repeated = time, 0
        return text
