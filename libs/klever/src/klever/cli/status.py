"""The processes of a platform with their state, address and memory."""

import asyncio
from typing import Any

import aiohttp
import psutil

from klever.cli.sandbox_output import described
from klever.platform.home import Home
from klever.platform.plan import ALLOW_UNSANDBOXED, DEPLOYER, NATS, PROMETHEUS
from klever.platform.state import PlatformState, Running, processes_of, read_state
from kleversandbox.support import find_support

OK = 200
MIB = 1024 * 1024


def report(home: Home) -> dict[str, Any]:
    """Return the state of each process; `ready` if all of them are ready."""
    state = read_state(home.state)
    if state is None:
        return {"ready": False, "home": str(home.path), "allowCommands": False, "parts": [], "rssMb": 0}
    answers = asyncio.run(_answers(state))
    parts = [_part(name, running, answers[name]) for name, running in state.parts.items()]
    others = [
        process for process in processes_of(home.path) if process.pid not in {r.pid for r in state.parts.values()}
    ]
    parts += [_other(process) for process in others]
    return {
        "ready": all(part["state"] in {"ready", "running"} for part in parts),
        "home": str(home.path),
        "urls": vars(state.urls),
        "sandbox": described(find_support(), allow_unsandboxed=_allows_unsandboxed(state)),
        "allowCommands": state.allow_commands,
        "parts": parts,
        "rssMb": sum(part["rssMb"] for part in parts),
    }


async def _answers(state: PlatformState) -> dict[str, bool]:
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        names = list(state.parts)
        return dict(
            zip(names, await asyncio.gather(*(_answer(session, n, state.parts[n]) for n in names)), strict=True)
        )


async def _answer(session: aiohttp.ClientSession, name: str, part: Running) -> bool:
    """Return the readiness of a process. Of programs without `/readyz`, only the process is checked."""
    if name in {NATS, PROMETHEUS}:
        return part.process() is not None
    try:
        async with session.get(f"{part.url}/readyz") as response:
            return response.status == OK
    except (aiohttp.ClientError, TimeoutError):
        return False


def _allows_unsandboxed(state: PlatformState) -> bool:
    """Return whether the deployer was started with permission to run unsandboxed models."""
    deployer = state.parts.get(DEPLOYER)
    try:
        process = deployer.process() if deployer else None
        return process is not None and process.environ().get(ALLOW_UNSANDBOXED) == "1"
    except (psutil.Error, OSError):
        return False


def _part(name: str, running: Running, answers: bool) -> dict[str, Any]:  # noqa: FBT001 - the two facts of a part
    process = running.process()
    state = "stopped" if process is None else "ready" if answers else "not ready"
    if running.failure:
        state = f"cannot be started: {running.failure}"
    return {"name": name, "state": state, "url": running.url, "pid": running.pid, "rssMb": _rss(process)}


def _other(process: psutil.Process) -> dict[str, Any]:
    """Describe a child process: Envoy, a model server or a worker."""
    return {"name": f"  {_title(process)}", "state": "running", "url": "", "pid": process.pid, "rssMb": _rss(process)}


def _title(process: psutil.Process) -> str:
    try:
        command = process.cmdline()
    except psutil.Error:
        return "ended"
    module = next((command[i + 1] for i, word in enumerate(command[:-1]) if word == "-m"), None)
    return module or (command[0].rpartition("/")[2] if command else "process")


def _rss(process: psutil.Process | None) -> int:
    try:
        return int(process.memory_info().rss // MIB) if process is not None else 0
    except psutil.Error:
        return 0
