"""Positions in the logs of pods, on the deployer's own disk."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from kleverkit.durable import replace_file

log = structlog.get_logger(__name__)


@dataclass
class Position:
    """The last acknowledged line of a pod."""

    replica: int
    """The number of the pod within its version."""
    version: str
    """The name of the version, see `VersionKey.name`."""
    time: str | None = None
    """The time of the line as the API writes it; None if none was acknowledged."""
    lines: int = 0
    """Number of acknowledged lines with this time."""


@dataclass
class LogPositions:
    """Positions by the uid of the pod.

    Args:
        file: file for the positions.
    """

    file: Path
    positions: dict[str, Position] = field(default_factory=dict)

    def load(self) -> None:
        """Read the positions that the last deployer stored; none if the file is not readable."""
        try:
            stored = json.loads(self.file.read_text())
            self.positions = {uid: Position(**position) for uid, position in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self.positions = {}

    def find(self, uid: str, version: str) -> Position:
        """The position in the log of a pod; a new pod gets the smallest number that its version does not use."""
        if uid not in self.positions:
            used = {each.replica for each in self.positions.values() if each.version == version}
            number = next(number for number in range(len(used) + 1) if number not in used)
            self.positions[uid] = Position(number, version)
        return self.positions[uid]

    def retain(self, uids: Iterable[str]) -> None:
        """Forget the pods that are none of these."""
        kept = set(uids)
        self.positions = {uid: position for uid, position in self.positions.items() if uid in kept}

    def store(self) -> None:
        """Write the file. If the disk is full, the next deployer reads published lines again."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            stored = {uid: asdict(position) for uid, position in self.positions.items()}
            replace_file(self.file, json.dumps(stored).encode())
        except OSError as error:
            log.warning("positions in logs not stored", error=str(error))
