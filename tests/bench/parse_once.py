"""Parses, or scans, one model in a process of its own: `parse_once.py <format> <directory>` prints one JSON object."""

import json
import sys
import time
from pathlib import Path

import modelformats
from modelformats.scanning import scan_directory

MEBI = 2**20


def peak() -> int:
    """Most memory held since it was last forgotten, in bytes; Linux."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    name, directory = sys.argv[1], Path(sys.argv[2])
    modelformats.preload()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
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
