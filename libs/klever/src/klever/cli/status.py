"""What runs of a platform, where, and with how much memory."""

import asyncio
from typing import Any

import aiohttp
import psutil

from klever.platform.home import Home
from klever.platform.state import PlatformState, Running, processes_of, read_state

OK = 200
MIB = 1024 * 1024


def report(home: Home) -> dict[str, Any]:
    """The state of every part; `ready` when all of them are."""
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
        "allowCommands": state.allow_commands,
        "parts": parts,
        "rssMb": sum(part["rssMb"] for part in parts),
    }


async def _answers(state: PlatformState) -> dict[str, bool]:
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        names = list(state.parts)
        return dict(zip(names, await asyncio.gather(*(_answer(session, state.parts[n]) for n in names)), strict=True))


async def _answer(session: aiohttp.ClientSession, part: Running) -> bool:
    """NATS has no HTTP here; that its process runs is what can be said."""
    if not part.url.startswith("http"):
        return part.process() is not None
    try:
        async with session.get(f"{part.url}/readyz") as response:
            return response.status == OK
    except (aiohttp.ClientError, TimeoutError):
        return False


def _part(name: str, running: Running, answers: bool) -> dict[str, Any]:  # noqa: FBT001 - the two facts of a part
    process = running.process()
    state = "stopped" if process is None else "ready" if answers else "not ready"
    if running.failure:
        state = f"cannot be started: {running.failure}"
    return {"name": name, "state": state, "url": running.url, "pid": running.pid, "rssMb": _rss(process)}


def _other(process: psutil.Process) -> dict[str, Any]:
    """Envoy, model servers, workers: children of the parts."""
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
