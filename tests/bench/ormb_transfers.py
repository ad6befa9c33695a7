"""`ormb` against its peers: one file of 512 MiB, and eight shards of 64 MiB, into CNCF distribution and into ours.

`uv run task bench:ormb`; peers that are not installed are skipped with a message.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from bench import report
from bench.raw_throughput import throughput
from bench.report import Figure, at_least, at_most
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.nats_server import NatsServer
from support.oci_registry import distribution
from support.registry_service import RegistryProcess
from support.waiting import eventually

MIB = 2**20
SIZE, SHARDS, ROUNDS = 512 * MIB, 8, 2
MODULES = {"ormb": ("-m", "ormb.cli"), "oras": ("-m", "bench.oras_push")}


@dataclass(frozen=True)
class Ran:
    """A completed command."""

    seconds: float
    peak_mib: float


class Bench:
    """Commands with a separate home."""

    def __init__(self, work: Path) -> None:
        self.work = work
        tests = str(Path(__file__).parents[1])
        self.environment = os.environ | {"ORMB_ROOTPATH": str(work / "ormb"), "PYTHONPATH": tests}

    async def run(self, *command: str) -> Ran:
        """Run a command and measure its memory; fail if it fails. Earlier writes are synced to disk first."""
        await asyncio.to_thread(os.sync)
        process = await self.start(*command)
        began, peak = time.monotonic(), 0
        watched = psutil.Process(process.pid)
        ended = asyncio.create_task(process.communicate())
        while not ended.done():
            with suppress(psutil.Error):
                peak = max(peak, watched.memory_info().rss)
            await asyncio.wait([ended], timeout=0.01)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed: {ended.result()[1]!r}")
        took = time.monotonic() - began
        print(f"{took:6.2f} s  {peak / MIB:4.0f} MiB  {' '.join(command)}", flush=True)
        return Ran(took, peak / MIB)

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """Start a command; `ormb` and `oras` are modules of this environment."""
        module = MODULES.get(command[0])
        line = (sys.executable, *module, *command[1:]) if module else command
        return await asyncio.create_subprocess_exec(
            *line, env=self.environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )

    def clear(self) -> None:
        """Remove all local state, as on a new machine."""
        shutil.rmtree(self.work / "ormb", ignore_errors=True)
        shutil.rmtree(self.work / "out", ignore_errors=True)


def make_model(directory: Path, files: int) -> Path:
    """A model of incompressible random weights."""
    (directory / "model").mkdir(parents=True)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    for number in range(files):
        with (directory / "model" / f"shard-{number}.bin").open("wb") as file:
            for _ in range(SIZE // files // MIB):
                file.write(os.urandom(MIB))
    return directory


def change(directory: Path) -> None:
    """Change every file's digest, for registries and for tools that record what they sent."""
    for path in (directory / "model").iterdir():
        with path.open("r+b") as file:
            file.write(os.urandom(MIB))


def limit(directory: Path, copy: Path) -> float:
    """Seconds to read, hash and write the same bytes once, a lower bound for every tool that keeps a copy."""
    began = time.monotonic()
    copy.mkdir()
    for path in sorted((directory / "model").iterdir()):
        hasher = hashlib.sha256()
        with path.open("rb") as source, (copy / path.name).open("wb") as target:
            while chunk := source.read(MIB):
                hasher.update(chunk)
                target.write(chunk)
    shutil.rmtree(copy)
    return time.monotonic() - began


async def measure(bench: Bench, host: str, label: str, name: str, model: Path) -> list[Figure]:
    """Measure every way to transfer one model with one registry, in turns."""
    times: dict[str, list[float]] = defaultdict(list)
    peaks: list[float] = []
    for number in range(ROUNDS):
        ref = f"{host}/bench/{name}-{number}"
        change(model)
        times["limit"].append(limit(model, bench.work / "raw"))
        bench.clear()
        straight = await bench.run("ormb", "push", str(model), f"{ref}:v1")
        bench.clear()
        saved = await bench.run("ormb", "save", str(model), f"{ref}-two:v1")
        sent = await bench.run("ormb", "push", f"{ref}-two:v1")
        if shutil.which("skopeo"):
            times["skopeo"].append((await bench.run(*skopeo_push(bench, f"{ref}-two:v1", f"{ref}-skopeo:v1"))).seconds)
        bench.clear()
        archived = await bench.run("ormb", "save", "--layout", "ormb", str(model), f"{ref}-archive:v1")
        bench.clear()
        pulled = await bench.run("ormb", "pull", f"{ref}:v1", "--export", str(bench.work / "out"))
        times["straight"].append(straight.seconds)
        times["push"].append(sent.seconds)
        times["two steps"].append(saved.seconds + sent.seconds)
        times["archive"].append(archived.seconds)
        times["pull"].append(pulled.seconds)
        times["oras"].append((await bench.run("oras", f"{ref}-oras:v1", str(model))).seconds)
        peaks += [ran.peak_mib for ran in (straight, saved, sent, pulled)]
    return _figures(label, times, max(peaks))


def _figures(label: str, times: dict[str, list[float]], peak: float) -> list[Figure]:
    figures = [
        Figure(f"{label}: push straight from the directory", f"{median(times['straight']):.2f} s"),
        Figure(f"{label}: save + push", f"{median(times['two steps']):.2f} s"),
        Figure(f"{label}: save --layout ormb", f"{median(times['archive']):.2f} s"),
        at_most(f"{label}: pull --export", median(times["pull"]), 1.4, "s"),
        at_most(f"{label}: most memory of push, save, pull (RSS)", peak, 64, "MiB"),
        Figure(f"{label}: read, hash and write once (the limit)", f"{median(times['limit']):.2f} s"),
        Figure(f"{label}: oras-py / ormb straight", f"{_ratio(times['oras'], times['straight']):.3g} x"),
    ]
    if times["skopeo"]:
        figures += [
            at_least(f"{label}: skopeo / ormb straight", _ratio(times["skopeo"], times["straight"]), 1.2, "x"),
            at_least(f"{label}: skopeo / ormb push", _ratio(times["skopeo"], times["push"]), 1.2, "x"),
        ]
    return figures


def _ratio(peer: list[float], ours: list[float]) -> float:
    return median(one / other for one, other in zip(peer, ours, strict=True))


def skopeo_push(bench: Bench, saved: str, target: str) -> tuple[str, ...]:
    """Push the result of `ormb save`, an OCI layout, with Skopeo. The bytes are new, so it mounts nothing."""
    layout = f"oci:{bench.work / 'ormb' / 'cache'}:{saved}"
    return ("skopeo", "copy", "--dest-tls-verify=false", layout, f"docker://{target}")


async def changed_shard(bench: Bench, name: str, host: str, model: Path) -> list[Figure]:
    """Push again after one of eight shards changed: as a command, and from a running process."""
    seconds, within = [], []
    for number in range(ROUNDS):
        bench.clear()
        ref = f"{host}/bench/changed-{number}:v1"
        await bench.run("ormb", "push", str(model), ref)
        change_one(model)
        seconds.append((await bench.run("ormb", "push", str(model), ref)).seconds)
        change_one(model)
        async with OrmbClient(bench.work / "ormb") as client:
            began = time.monotonic()
            await client.push_directory(model, Reference.parse(ref))
            within.append(time.monotonic() - began)
    what = f"8 shards, {name}: push again with one changed"
    return [at_most(what, median(seconds), 0.4, "s"), at_most(f"{what}, from Python", median(within), 0.4, "s")]


def change_one(model: Path) -> None:
    """Change one shard of a model."""
    with (model / "model" / "shard-3.bin").open("r+b") as file:
        file.write(os.urandom(MIB))


async def resumed(bench: Bench, name: str, host: str, model: Path) -> Figure:
    """Kill a push half way, and count the bytes that the next one sends."""
    bench.clear()
    ref = f"{host}/bench/killed:v1"
    process = await bench.start("ormb", "push", str(model), ref)
    sessions = bench.work / "ormb" / "uploads"

    async def half_is_sent() -> bool:
        return process.returncode is not None or _offset(sessions) >= SIZE // 2

    await eventually(half_is_sent, within=60, every=0.002)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    left = SIZE - _offset(sessions)
    await bench.run("ormb", "push", str(model), ref)
    return at_most(f"one file, {name}: sent after a SIGKILL at half", left / SIZE * 100, 55, "% of the bytes")


def _offset(sessions: Path) -> int:
    listed = [json.loads(path.read_text())["offset"] for path in sessions.glob("*.json")] if sessions.exists() else []
    return max(listed, default=0)


@contextmanager
def registries(work: Path) -> Iterator[dict[str, str]]:
    """Both registries, name to host:port."""
    directories = [work / "distribution", work / "klever"]
    for directory in directories:
        directory.mkdir()
    nats = NatsServer(directories[1])
    nats.start()
    ours = RegistryProcess(directories[1], nats.url)
    ours.start()
    try:
        with distribution(directories[0]) as host:
            yield {"distribution": host, "ours": ours.address}
    finally:
        ours.stop()
        nats.stop()


async def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text, registries(Path(text)) as hosts:
        bench = Bench(Path(text))
        one, eight = make_model(bench.work / "one", 1), make_model(bench.work / "eight", SHARDS)
        figures: list[Figure] = []
        for registry, host in hosts.items():
            figures += await measure(bench, host, f"one file, {registry}", "one", one)
            figures += await measure(bench, host, f"8 shards, {registry}", "eight", eight)
            figures += await changed_shard(bench, registry, host, eight)
            figures.append(await resumed(bench, registry, host, one))
        figures += throughput(hosts, SIZE)
    report.write("ormb", "uv run task bench:ormb", figures)


if __name__ == "__main__":
    asyncio.run(main())
