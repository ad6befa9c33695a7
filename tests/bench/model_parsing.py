"""Parsing and conversion: each format small and of 1 GiB; a burst of pushes of mixed formats; cached conversions.

`uv run task bench:parsing`.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import report
from bench.large_models import LARGE
from bench.report import Figure, at_least, at_most
from klever.client import KleverClient
from kleverproto.conversions import Conversion
from kleverproto.jobs import JobKind, JobPhase
from kleverproto.models import ExtractionPhase
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.reference import Reference
from support import model_files
from support.whole_platform import Platform, running_platform

ONCE = Path(__file__).with_name("parse_once.py")
ROUNDS = 3
BURST, STEADY, RATE = 500, 200, 20
CONVERSIONS = 50
PUSHERS = 8


async def main() -> None:
    """Measure and report."""
    figures = [*_small(), *_large()]
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        work = Path(text)
        (work / "home").mkdir()
        async with running_platform(work / "home") as platform:
            figures += await _pushes(platform, work)
            figures += await _cached(platform, work)
    report.write("parsing", "uv run task bench:parsing", figures)


def _small() -> list[Figure]:
    """The models of the tests."""
    figures = []
    for name in sorted(model_files.of_each_format()):
        with tempfile.TemporaryDirectory(prefix="klever-bench-") as directory:
            model_files.write_model(Path(directory), name)
            figures.append(_figure(f"{name}, small", [_once(name, Path(directory)) for _ in range(ROUNDS)]))
    return figures


def _large() -> list[Figure]:
    figures = []
    for title, (name, make) in LARGE.items():
        with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
            directory = Path(text)
            make(directory)
            hashing = _hashing(directory)
            rounds = [_once(name, directory) for _ in range(ROUNDS)]
            figures.append(_figure(f"{title}, 1 GiB", rounds))
            share = median(r["parse_ms"] + r["scan_ms"] for r in rounds) / (hashing * 1000)
            figures.append(Figure(f"{title}, 1 GiB: both / hashing the files", f"{share:.3g} x"))
    return figures


def _once(name: str, directory: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, ONCE, name, directory], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _figure(what: str, rounds: list[dict[str, float]]) -> Figure:
    parse, scan, memory = (median(r[key] for r in rounds) for key in ("parse_ms", "scan_ms", "memory_mb"))
    return Figure(f"{what}: parse, scan, memory more than before", f"{parse:.3g} ms, {scan:.3g} ms, {memory:.3g} MB")


def _hashing(directory: Path) -> float:
    """Seconds to read and hash every file, as a lower bound for any reader of all bytes."""
    began = time.perf_counter()
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


async def _pushes(platform: Platform, work: Path) -> list[Figure]:
    """Push models of all formats in turn: at full speed, then at a steady pace."""
    names = sorted(model_files.of_each_format())
    async with platform.client() as client, platform.ormb() as ormb:
        signed = _Signed(client)
        async with signed:
            burst = [_model(work, names[number % len(names)], f"b{number}") for number in range(BURST)]
            began = time.monotonic()
            await _push_all(ormb, platform, burst)
            await signed.until([ref for _, ref in burst])
            rate = BURST / (time.monotonic() - began)
            steady = [_model(work, names[number % len(names)], f"s{number}") for number in range(STEADY)]
            seconds = await _paced(ormb, platform, steady, signed)
    return [
        at_least(f"signatures/s in a burst of {BURST} pushes of {len(names)} formats", rate, 50, "/s"),
        Figure(f"push → signature at {RATE}/s, p50 of {STEADY}", f"{median(seconds) * 1000:.3g} ms"),
        at_most(f"push → signature at {RATE}/s, p99 of {STEADY}", quantiles(seconds, n=100)[98] * 1000, 500, "ms"),
    ]


def _model(work: Path, name: str, version: str) -> tuple[Path, ModelRef]:
    """A model with a unique digest."""
    directory = work / "models" / version
    model_files.write_model(directory / "model", name)
    (directory / "ormbfile.yaml").write_text(f"format: {name}\ndescription: {version}\n")
    return directory, ModelRef.parse(f"bench/{version}:v1")


async def _push_all(ormb: OrmbClient, platform: Platform, models: list[tuple[Path, ModelRef]]) -> None:
    waiting = iter(models)

    async def push() -> None:
        for model in waiting:
            await _push(ormb, platform, *model)

    await asyncio.gather(*(push() for _ in range(PUSHERS)))


async def _push(ormb: OrmbClient, platform: Platform, directory: Path, ref: ModelRef) -> None:
    await ormb.push_directory(directory, Reference(platform.registry_host, ref.repository, ref.version))


async def _paced(
    ormb: OrmbClient, platform: Platform, models: list[tuple[Path, ModelRef]], signed: "_Signed"
) -> list[float]:
    began: dict[ModelRef, float] = {}
    tasks = []
    first = time.monotonic()
    for number, (directory, ref) in enumerate(models):
        await asyncio.sleep(max(0.0, first + number / RATE - time.monotonic()))
        began[ref] = time.monotonic()
        tasks.append(asyncio.create_task(_push(ormb, platform, directory, ref)))
    await asyncio.gather(*tasks)
    await signed.until(list(began))
    return [signed.times[ref] - began[ref] for ref in began]


class _Signed:
    """Records when each version was reported as parsed, from the stream of events."""

    def __init__(self, client: KleverClient) -> None:
        self._client = client
        self._changed = asyncio.Condition()
        self.times: dict[ModelRef, float] = {}

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def __aexit__(self, *_exc: object) -> None:
        self._task.cancel()

    async def until(self, refs: list[ModelRef]) -> None:
        """Return once all of these are parsed."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(ref in self.times for ref in refs))

    async def _listen(self) -> None:
        async for event in self._client.events(type="dev.klever.model.updated.v1"):
            data: Any = event.data
            if data.extraction is ExtractionPhase.PENDING:
                continue
            async with self._changed:
                self.times.setdefault(data.ref, time.monotonic())
                self._changed.notify_all()


async def _cached(platform: Platform, work: Path) -> list[Figure]:
    """Convert the same model under other names: from the request to the completion event."""
    directory, ref = _model(work, "SKLearn", "convert")
    async with platform.client() as client, platform.ormb() as ormb:
        await _push(ormb, platform, directory, ref)
        await client.wait_for_signature(ref)
        first = await client.create_job(ref, JobKind.CONVERT, conversion=Conversion(to="ONNX"))
        done = await client.wait_for_job(first.id)
        if done.status.phase is not JobPhase.SUCCEEDED:
            raise RuntimeError(done.status.problem)
        seconds = [await _convert(client, ref, f"bench/converted:v{number}") for number in range(CONVERSIONS)]
    return [at_most(f"conversion done before, request → done, p50 of {CONVERSIONS}", median(seconds) * 1000, 50, "ms")]


async def _convert(client: KleverClient, ref: ModelRef, name: str) -> float:
    ended: dict[str, float] = {}
    changed = asyncio.Condition()

    async def listen() -> None:
        async for event in client.events(type="dev.klever.job.completed.v1"):
            async with changed:
                ended[event.data.id] = time.monotonic()
                changed.notify_all()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.2)  # the stream is open
    began = time.monotonic()
    job = await client.create_job(ref, JobKind.CONVERT, conversion=Conversion(to="ONNX", ref=ModelRef.parse(name)))
    async with changed:
        await changed.wait_for(lambda: job.id in ended)
    listening.cancel()
    return ended[job.id] - began


if __name__ == "__main__":
    asyncio.run(main())
