"""The reach of a worker that parses models, if a model takes it over."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever_jobrunner.adapters.worker_pool import WorkerPool
from klever_jobrunner.adapters.worker_process import WorkerLimits
from klever_jobrunner.errors import JobError

WORKER = """
import os, socket, subprocess, sys
from pathlib import Path
from klever_jobrunner.adapters.worker import Task, serve
from kleverproto.jobs import JobResult
from kleverproto.signatures import Signature

ATTACKS = {
    "read": lambda path: path.read_text(),
    "write": lambda path: (path.parent / "made").write_text("x"),
    "connect": lambda _: socket.create_connection(("127.0.0.1", int(os.environ.get("PORT", "1")))),
    "run": lambda _: subprocess.run(["true"], check=True),
    "home": lambda _: Path(os.environ["HOME"], "x").write_text("x"),
}

def act(task: Task) -> JobResult:
    try:
        ATTACKS[task.format](task.directory)
    except OSError as error:
        return JobResult(signature=Signature(framework=type(error).__name__))
    return JobResult(signature=Signature(framework="reached"))

serve(act, cpu_seconds=float(sys.argv[1]))
"""


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[WorkerPool]:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model").write_text("model")
    (tmp_path / "secret").write_text("secret")
    limits = WorkerLimits(memory_mb=1024, command=(sys.executable, "-c", WORKER))
    async with WorkerPool(tmp_path / "models", 1, limits) as running:
        yield running


async def outcome(pool: WorkerPool, attack: str, path: Path) -> str | None:
    async with asyncio.timeout(30):
        return (await pool.extract(path, attack)).framework


async def test_a_worker_can_only_read_models_and_write_its_home(pool: WorkerPool, tmp_path: Path) -> None:
    model, secret = tmp_path / "models" / "model", tmp_path / "secret"

    assert [await outcome(pool, attack, model) for attack in ("read", "home")] == ["reached"] * 2
    assert await outcome(pool, "read", secret) == "PermissionError"
    assert await outcome(pool, "read", Path("/proc/1/cmdline")) in {"PermissionError", "FileNotFoundError"}
    assert [await outcome(pool, attack, model) for attack in ("write", "connect", "run")] == ["PermissionError"] * 3
    assert not (tmp_path / "models" / "made").exists()


async def test_a_misbehaving_worker_fails_only_its_own_job(pool: WorkerPool, tmp_path: Path) -> None:
    with pytest.raises(JobError):
        await outcome(pool, "no such attack", tmp_path)
    assert await outcome(pool, "read", tmp_path / "models" / "model") == "reached"
