"""Parse or scan one model in a separate process: `parse_once.py <format> <directory>` prints one JSON object."""

import json
import sys
import time
from pathlib import Path

import modelformats
from modelformats.scanning import scan_directory

MEBI = 2**20


def peak() -> int:
    """The peak memory in bytes since the last reset; Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    name, directory = sys.argv[1], Path(sys.argv[2])
    modelformats.preload()
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = peak()
    began = time.perf_counter()
    modelformats.extract_signature(name, directory)
    parsed = time.perf_counter()
    scan_directory(directory)
    scanned = time.perf_counter()
    print(
        json.dumps(
            {
                "parse_ms": (parsed - began) * 1000,
                "scan_ms": (scanned - parsed) * 1000,
                "memory_mb": (peak() - before) / MEBI,
            }
        )
    )
