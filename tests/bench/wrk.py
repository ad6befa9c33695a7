"""Load by wrk: requests per second and latency of one URL."""

import asyncio
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCALE = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Load:
    """The report of wrk.

    Attributes:
        rate: requests per second.
        p50_ms: median latency.
        p99_ms: 99th percentile of the latency.
    """

    rate: float
    p50_ms: float
    p99_ms: float


async def load(url: str, body: dict[str, Any], directory: Path, *, connections: int = 16, seconds: int = 4) -> Load:
    """POST the body for some seconds over this many connections."""
    program = shutil.which("wrk")
    if program is None:
        sys.exit("wrk is not installed: apt install wrk")
    script = directory / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(body)}]]\nwrk.headers['Content-Type'] = 'application/json'\n"
    )
    options = ("--latency", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script))
    process = await asyncio.create_subprocess_exec(program, *options, url, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return parse(out.decode())


def parse(text: str) -> Load:
    """Read wrk's report. Raises ValueError if requests failed."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise ValueError(text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise ValueError(text)
    return Load(float(rate[1]), _percentile(text, 50), _percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    match = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    if match is None:
        raise ValueError(text)
    return float(match[1]) * SCALE[match[2]]
