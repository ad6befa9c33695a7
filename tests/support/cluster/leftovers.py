"""Removes clusters whose keeper was killed."""

from . import keeper
from .layout import Layout, clusters


def remove() -> list[str]:
    """Removes each cluster of this user that has no keeper.

    Returns:
        The names of those clusters.
    """
    return [name for name in _names() if _is_removed(Layout(name))]


def _names() -> list[str]:
    return sorted(lock.stem for lock in clusters().glob("*.lock"))


def _is_removed(layout: Layout) -> bool:
    try:
        with keeper.locked(layout, wait=False):
            keeper.remove_files_and_processes(layout)
            layout.log.unlink(missing_ok=True)
    except BlockingIOError:  # its keeper runs
        return False
    return True
