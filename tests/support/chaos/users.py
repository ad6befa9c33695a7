"""A light constant load: users who push, deploy, undeploy, request jobs and predict, and who retry."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import aiohttp

from kleverproto.references import ModelRef, dns_label
from kleverproto.servings import ServingDocument
from ormb.errors import OrmbError
from ormb.reference import Reference
from support.constant_load import Load
from support.small_models import adder
from support.waiting import pause

from .ledger import Fate, Job
from .world import World

ResultT = TypeVar("ResultT")

API = "/api/v1alpha1"
STEADY = "steady"
"""A serving that nobody changes. Its requests must not fail unless a fault concerns the data plane."""
CHANGING = ("red", "green", "blue")
MOVING = "chaos/moving:latest"
"""A tag that is pushed repeatedly."""
PATIENCE_SECONDS = 20
"""Seconds for one attempt, because a stopped process does not answer."""
NOT_SCANNED = "model_not_scanned"
"""The refusal while a lost catalogue is restored: it is complete at once, but its models are scanned one by one."""
SERVER_ERROR, ACCEPTED, NOT_FOUND, CONFLICT = 500, 202, 404, 409


class AwayError(Exception):
    """The gateway or registry is not reachable; retry."""


class Users:
    """All users.

    Args:
        world: the platform that they use, with its ledger.
        seed: determines their actions.
        directory: an existing one for the models that they push.
    """

    def __init__(self, world: World, seed: str, directory: Path) -> None:
        self._world = world
        self._seed = seed
        self._directory = directory
        self._numbers = 0
        self._session = aiohttp.ClientSession()
        self.parsed: dict[str, int] = {}
        """Versions that may be deployed, with their numbers."""
        self.load = Load()
        self.failures: list[tuple[float, str]] = []
        """Failures of predictions of the steady serving, with their times."""
        self.answers = 0
        self.is_stopping = asyncio.Event()

    async def close(self) -> None:
        """Close the connections of the users."""
        await self._session.close()

    async def run(self) -> None:
        """Run until `is_stopping` is set. Each user completes the action in progress."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pushes(Random(f"{self._seed}/pushes")))
            tasks.create_task(self._jobs(Random(f"{self._seed}/jobs")))
            for name in CHANGING:
                tasks.create_task(self._changes(name, Random(f"{self._seed}/{name}")))
            tasks.create_task(self._watch())
            tasks.create_task(self._predictions())

    async def push(self, ref: str) -> None:
        """Push another model to a tag."""
        self._numbers += 1
        number = self._numbers
        directory = adder(self._directory / str(number), number)
        named = ModelRef.parse(ref)
        reference = Reference(f"127.0.0.1:{self._world.ports.registry}", named.repository, named.version)

        async def pushed() -> str:
            async with self._world.platform.ormb() as client:
                return (await client.push_directory(directory, reference)).digest

        digest = await self._patiently(f"push {ref}", pushed, within=None)
        self._world.ledger.pushed(ref, number, digest)

    async def deploy(self, name: str, ref: str) -> None:
        """Deploy a version."""
        spec = {"variants": [{"name": dns_label(ref.rpartition(":")[2]), "model": ref}]}
        answer = await self._ask("PUT", f"/namespaces/default/servings/{name}", {ACCEPTED}, json={"spec": spec})
        if answer is not None:
            self._world.ledger.wanted(name, self._world.ledger.versions[ref].number, answer["request"])

    async def undeploy(self, name: str) -> None:
        """Undeploy a serving."""
        answer = await self._ask("DELETE", f"/namespaces/default/servings/{name}", {ACCEPTED, NOT_FOUND})
        if answer is not None:
            self._world.ledger.wanted(name, None, answer["request"])

    async def _pushes(self, random: Random) -> None:
        while not self.is_stopping.is_set():
            moves = random.random() < 0.25
            await self.push(MOVING if moves else f"chaos/adder:v{self._numbers + 1}")
            await pause(random.uniform(1.5, 3))

    async def _changes(self, name: str, random: Random) -> None:
        while not self.is_stopping.is_set():
            await pause(random.uniform(2, 7))
            serving = self._world.ledger.servings.get(name)
            goes, choice = random.random() < 0.4, random.random()
            if goes and serving is not None and serving.outcome is not None:
                await self.undeploy(name)
            elif self.parsed:
                refs = sorted(self.parsed, key=lambda ref: self.parsed[ref])
                await self.deploy(name, refs[int(choice * len(refs))])

    async def _jobs(self, random: Random) -> None:
        done: set[str] = set()
        while not self.is_stopping.is_set():
            await pause(random.uniform(1, 4))
            fate = random.choice(list(Fate))
            ref = next((each for each in self.parsed if each not in done), None)
            if ref is not None:
                done.add(ref)
                await self._job(ref, fate)

    async def _job(self, ref: str, fate: Fate) -> None:
        jobs = "/namespaces/default/modeljobs"
        created = await self._ask("POST", jobs, {ACCEPTED}, json={"kind": "scan", "ref": ref})
        if created is None:
            return
        name = created["body"]["id"]
        job = self._world.ledger.jobs[name] = Job(ref, Fate.RUN)
        if fate is Fate.CANCELLED:
            stopped = await self._ask("POST", f"{jobs}/{name}/cancel", {ACCEPTED, CONFLICT, NOT_FOUND})
        elif fate is Fate.DELETED:
            stopped = await self._ask("DELETE", f"{jobs}/{name}", {ACCEPTED, NOT_FOUND})
        else:
            return
        if stopped is not None and stopped["status"] == ACCEPTED:
            job.fate, job.stopped_at = fate, time.time()
        elif stopped is not None and stopped["status"] == NOT_FOUND:
            job.excused = True

    async def _predictions(self) -> None:
        url = f"{self._world.urls.ingress}/seldon/default/{STEADY}/v2/models/{STEADY}/infer"
        while not self.is_stopping.is_set():
            load = Load()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await load.ask(self._session, url)
            except TimeoutError:
                load.failures["no answer in time"] += 1
            self.answers += load.answers.total()
            self.failures += [(self._world.timeline.now, str(failure)) for failure in load.failures]
            await pause(0.1)

    async def _watch(self) -> None:
        """Record the requests that the platform has handled."""
        while not self.is_stopping.is_set():
            await pause(0.5)
            try:
                await self._look()
            except (aiohttp.ClientError, TimeoutError, AwayError):
                continue

    async def _look(self) -> None:
        models = await self._get("/models?extraction=Succeeded&limit=1000")
        for model in models["items"]:
            spec = model["spec"]["ref"]
            ref = f"{spec['project']}/{spec['model']}:{spec['version']}"
            known = self._world.ledger.versions.get(ref)
            if known is not None and ref != MOVING:
                self.parsed.setdefault(ref, known.number)
        listed = map(ServingDocument.model_validate, (await self._get("/servings?limit=1000"))["items"])
        servings = {each.name: each for each in listed}
        for name, wanted in list(self._world.ledger.servings.items()):
            intent = servings[name].status.intent if name in servings else None
            is_gone = name not in servings and wanted.outcome is None
            if is_gone or (intent is not None and intent.event_id == wanted.request):
                self._world.ledger.handled(name, wanted.request)
        for job in (await self._get("/namespaces/default/modeljobs?limit=1000"))["items"]:
            known_job = self._world.ledger.jobs.get(job["id"])
            final = {Fate.RUN: {"Succeeded"}, Fate.CANCELLED: {"Cancelled", "Succeeded"}, Fate.DELETED: set()}
            if known_job is not None and job["status"]["phase"] in final[known_job.fate]:
                known_job.handled, known_job.excused = True, False

    async def _get(self, path: str) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with self._session.get(f"{self._world.urls.api}{API}{path}", headers=self._world.login) as response:
                if response.status != 200:
                    raise AwayError
                return await response.json()

    async def _ask(self, method: str, path: str, expected: set[int], **options: Any) -> dict[str, Any] | None:
        """Retry a request until it is answered. Return None for an answer that no fault explains."""

        async def once() -> dict[str, Any] | None:
            url = f"{self._world.urls.api}{API}{path}"
            headers = self._world.login | options.get("headers", {})
            async with self._session.request(method, url, **(options | {"headers": headers})) as response:
                text = await response.text()
                if response.status > SERVER_ERROR or NOT_SCANNED in text:
                    raise AwayError(text)
                if response.status not in expected:
                    self._refused(f"{method} {path}: {response.status} {text[:300]}")
                    return None
                body = await response.json(content_type=None)
                return {
                    "status": response.status,
                    "body": body,
                    "request": response.headers.get("X-Correlation-Id", ""),
                }

        return await self._patiently(f"{method} {path}", once)

    async def _patiently(
        self, what: str, call: Callable[[], Awaitable[ResultT]], *, within: float | None = PATIENCE_SECONDS
    ) -> ResultT:
        while True:
            try:
                async with asyncio.timeout(within):
                    return await call()
            except (aiohttp.ClientError, TimeoutError, AwayError, OSError):
                pass
            except OrmbError as error:
                if not error.transient and not self._explains_full_disk(str(error)):
                    self._refused(f"{what}: {error}")
            await pause(0.3)

    def _explains_full_disk(self, error: str) -> bool:
        """Return whether a push was refused because a disk is full."""
        disk = self._world.disks.get("registry")
        return disk is not None and disk.is_full and "INSUFFICIENT_STORAGE" in error

    def _refused(self, text: str) -> None:
        self._world.ledger.refusals.append(f"at {self._world.timeline.now:.1f} s: {text}")
