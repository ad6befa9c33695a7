"""Replaces links in archives by copies of their targets after all layers are unpacked, so that order does not matter.

The exported directory contains no links, and every file is independent of the others.
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import UnsafePathError, UnsupportedArtifactError
from .layouts.layout import LayerFiles, Role
from .limits import MAX_COPIES, plain_limit
from .paths import below, safe_path

log = logging.getLogger(__name__)

LONGEST_CHAIN = 40
"""Maximum number of links in a chain, as in Linux."""
OPTIONAL = frozenset({Role.BESIDE, Role.DATA})
"""Roles whose links are omitted if they cannot be copied: the model does not need them."""


@dataclass(frozen=True)
class Link:
    """A link in an archive.

    Attributes:
        layer: the layer with the archive.
        name: path in the archive.
        says: target in the archive.
        aim: target relative to the root of the archive, not yet checked.
    """

    layer: LayerFiles
    name: str
    says: str
    aim: str


class Links:
    """The links of all layers that are not replaced yet.

    Args:
        stage: the directory into which layers are unpacked.
    """

    def __init__(self, stage: Path) -> None:
        self._stage = stage
        self._pending: dict[Path, Link] = {}
        self._holders: Counter[Path] = Counter()
        """Number of pending links below each directory."""
        self._bytes = self._entries = 0
        self._counted: set[str] = set()

    def add(self, target: Path, link: Link) -> None:
        """Add a link; it replaces a file of an earlier layer."""
        self.discard(target)
        if target.is_file():
            target.unlink()
        self._pending[target] = link
        self._holders.update(target.parents)
        self._count(link.layer)

    def discard(self, target: Path) -> Link | None:
        """Discard the link at a path, because a later entry replaces it or a later layer removes it."""
        link = self._pending.pop(target, None)
        if link is not None:
            self._holders.subtract(target.parents)
        return link

    def discard_below(self, target: Path) -> None:
        """Discard all links at a path and below it."""
        for path in [target, *self._below(target)]:
            self.discard(path)

    def copy_now(self, target: Path, link: Link) -> bool:
        """Copy the target of a hard link, since a later layer may replace it. Returns whether the target exists."""
        source = self._source(link)
        if source is None or source in self._pending or not source.is_file():
            return False
        self.discard(target)
        self._count(link.layer)
        self._copy(source, target)
        return True

    def settle(self) -> Iterator[tuple[LayerFiles, PurePosixPath]]:
        """Replace all links by copies. Yields the layer, and the path below its target, of each new file.

        Raises:
            UnsafePathError: a link that the model may need has no target in the artifact.
            UnsupportedArtifactError: the copies are far larger than the layers.
        """
        while self._pending:
            yield from self._settle(next(iter(self._pending)), 0)

    def _settle(self, target: Path, depth: int) -> Iterator[tuple[LayerFiles, PurePosixPath]]:
        link = self.discard(target)
        if link is None:
            return
        root, source = self._root(link.layer), self._source(link)
        if source is not None and depth < LONGEST_CHAIN:
            for other in self._needed(root, source):
                yield from self._settle(other, depth + 1)
        if source is None or not self._can_copy(source, target, link):
            self._leave_out(link)
            return
        for path in self._copy(source, target):
            yield link.layer, PurePosixPath(path.relative_to(root))

    def _needed(self, root: Path, source: Path) -> list[Path]:
        """Return the links that must be replaced first: on the path to the source, and below it."""
        on_the_way = [source, *(parent for parent in source.parents if parent.is_relative_to(root))]
        return [path for path in reversed(on_the_way) if path in self._pending] + self._below(source)

    def _below(self, directory: Path) -> list[Path]:
        if not self._holders[directory]:
            return []
        return [path for path in self._pending if path.is_relative_to(directory) and path != directory]

    def _can_copy(self, source: Path, target: Path, link: Link) -> bool:
        if target.exists() or target.is_relative_to(source):
            return False
        return source.is_file() or (source.is_dir() and link.layer.role not in OPTIONAL)

    def _leave_out(self, link: Link) -> None:
        message = f"the archive links {link.name!r} to {link.says!r}"
        if link.layer.role not in OPTIONAL:
            raise UnsafePathError(f"{message}, which is no file of the model: it is not exported")
        log.warning("%s, which is no file beside it: it is left out", message)

    def _copy(self, source: Path, target: Path) -> list[Path]:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._spend(source)
        if source.is_file():
            target.unlink(missing_ok=True)
            shutil.copy(source, target)
            return [target]
        target.mkdir()
        return [path for entry in sorted(source.iterdir()) for path in self._copy(entry, target / entry.name)]

    def _count(self, layer: LayerFiles) -> None:
        """Add the size limit of a layer to the limit of its copies."""
        if layer.descriptor.digest not in self._counted:
            self._counted.add(layer.descriptor.digest)
            self._bytes += plain_limit(layer.descriptor.size)

    def _spend(self, source: Path) -> None:
        self._bytes -= source.stat().st_size
        self._entries += 1
        if self._bytes < 0 or self._entries > MAX_COPIES:
            raise UnsupportedArtifactError(
                "the links of the artifact unpack to far more than its layers: it is refused"
            )

    def _root(self, layer: LayerFiles) -> Path:
        return self._stage / layer.target if layer.target else self._stage

    def _source(self, link: Link) -> Path | None:
        """Return the target of a link; None if it is outside."""
        try:
            path = below(safe_path(link.aim), link.layer.below)
        except UnsafePathError:
            return None
        return None if path is None else self._root(link.layer) / path


def aim_of(name: str, says: str, *, is_symbolic: bool) -> str:
    """Return the target of a link relative to the root of the archive.

    Targets of hard links are already relative to it.
    """
    path, to = name.replace("\\", "/"), says.replace("\\", "/")
    return os.path.normpath(PurePosixPath(path).parent / to if is_symbolic else PurePosixPath(to))
