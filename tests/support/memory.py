"""Parsing in a separate process whose memory is measured."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import resource, sys
from pathlib import Path
import modelformats
modelformats.preload()
import numpy
room = int(sys.argv[3]) * 1024 * 1024
if room:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
def peak():  # getrusage includes the parent's peak
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
Path("/proc/self/clear_refs").write_text("5")
before = peak()
try:
    modelformats.extract_signature(sys.argv[1], Path(sys.argv[2]))
    outcome = "parsed"
except Exception as error:
    outcome = type(error).__name__
print(outcome, (peak() - before) // 1024)
"""


WATCHED = """
import sys
from pathlib import Path
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
def watched(call):
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    try:
        call()
        outcome = "ended"
    except Exception as error:
        outcome = type(error).__name__
    return f"{outcome} {(peak() - before) // 1024}"
"""
"""The start of a program that measures a call: its outcome (or exception name) and the growth of the process in MB."""


@dataclass(frozen=True)
class Parsing:
    """The outcome (`parsed` or the exception's name), and the growth of the process in MB."""

    outcome: str
    grown_mb: int


def parse_apart(name: str, directory: Path, *, room_mb: int = 0) -> Parsing:
    """Extract a signature in a new process; `room_mb` limits its growth. Fails after 20 seconds."""
    command = [sys.executable, "-c", PROGRAM, name, str(directory), str(room_mb)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    outcome, grown = done.stdout.split()
    return Parsing(outcome, int(grown))
