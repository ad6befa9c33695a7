"""Layers of images, built once for the same inputs and kept in a cache directory."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.cluster.images import layer, sha256
from support.go_tools import cache

SECONDS_UNUSED = 7 * 24 * 3600


def cached_layer(name: str, inputs: str, build: Callable[[Path], object], *, files: Sequence[Path] = ()) -> Path:
    """Returns the tar file of a layer.

    Args:
        name: name in messages.
        inputs: all that the content depends on, besides files.
        build: writes the content into an empty directory.
        files: those whose content it depends on.
    """
    digest = hashlib.sha256("".join([inputs, *map(sha256, files)]).encode()).hexdigest()[:16]
    path = layers() / f"{name}-{digest}.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=layers()) as directory:
            root = Path(directory) / "root"
            root.mkdir()
            build(root)
            layer(root, Path(directory) / "layer.tar").rename(path)
    os.utime(path)
    _remove_unused()
    return path


def layers() -> Path:
    """The cache directory."""
    directory = cache().parent / "images"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _remove_unused() -> None:
    oldest = time.time() - SECONDS_UNUSED
    for path in layers().glob("*.tar"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
