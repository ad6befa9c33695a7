"""Parses models in this process, for tests and for isolated environments."""

from pathlib import Path

from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from modelformats.threads import in_thread

from .parsing import extract, scan


class InlineExecutor:
    """See `ports.JobExecutor`."""

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """See `ports.JobExecutor`."""
        return await in_thread(extract, directory, format_name)

    async def scan(self, directory: Path) -> Scan:
        """See `ports.JobExecutor`."""
        return await in_thread(scan, directory)
