"""`python -m klever_jobrunner.run` as a user, a container or a Kubernetes Job runs it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from klever_jobrunner.domain.command import RunRequest
from kleverproto.jobs import JobKind
from support.jobs import request
from support.small_models import adder, broken


async def run_command(directory: Path, model: Path, kind: JobKind) -> tuple[int, Any, list[str]]:
    """Return exit code, outcome, and the lines of the job's log."""
    spec = request().spec.model_copy(update={"kind": kind})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "klever_jobrunner.run", "--model", str(model)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(directory), "ORMB_ROOTPATH": str(directory / "ormb")},
    )
    out, errors = await process.communicate(RunRequest(spec=spec).model_dump_json().encode())
    lines = [json.loads(line) for line in errors.splitlines()]
    return process.returncode or 0, json.loads(out), [line["line"] for line in lines if "line" in line]


async def test_a_model_is_parsed(tmp_path: Path) -> None:
    code, outcome, _ = await run_command(tmp_path, adder(tmp_path / "m", 1), JobKind.EXTRACT)
    assert code == 0
    assert outcome["result"]["signature"]["operators"] == {"Add": 1}
    assert outcome["result"]["scan"]["verdict"] == "clean"
    assert not [name for name in os.listdir(tmp_path) if name.startswith("klever-job-")]  # noqa: PTH208


async def test_a_scan_reports_its_progress(tmp_path: Path) -> None:
    code, outcome, lines = await run_command(tmp_path, adder(tmp_path / "m", 1), JobKind.SCAN)
    assert (code, outcome["result"]["scan"]["verdict"]) == (0, "clean")
    assert [line.rpartition(" ")[2] for line in lines] == ["clean"]


async def test_a_damaged_model_fails_permanently(tmp_path: Path) -> None:
    code, outcome, _ = await run_command(tmp_path, broken(tmp_path / "m"), JobKind.EXTRACT)
    assert (code, outcome["problem"]["code"]) == (10, "invalid_model")
