"""How the result of a scan is shown."""

from collections.abc import Iterator

from kleverproto.scans import Scan

SHOWN = 10


def describe_scan(scan: Scan) -> Iterator[str]:
    """The verdict and the worst findings, line by line."""
    yield f"scan:        {scan.verdict} ({scan.scanner} {scan.scanner_version})"
    for finding in scan.findings[:SHOWN]:
        where = f"{finding.file} names {finding.what}" if finding.what else finding.file
        yield f"  {finding.severity}: {where}: {finding.reason}"
    if (more := len(scan.findings) - SHOWN) > 0:
        yield f"  and {more} more: --json shows them"
