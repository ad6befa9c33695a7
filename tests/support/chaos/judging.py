"""Compares the state of the platform with the accepted requests. Each violation is a sentence."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import nats.errors
from nats.aio.client import Client
from nats.js import api

from kleverproto.envelope import Event, parse
from kleverproto.jobs import JobCompleted, JobStarted
from kleverproto.models import ModelPushed
from kleverproto.streams import DEAD, JOBS, MODELS, SERVINGS, TOPOLOGY
from support.constant_load import Load

from .ledger import Fate
from .listener import Listener
from .readiness import Readiness
from .users import API
from .world import SERVICES, World

GRACE_SECONDS = 5.0
"""Seconds that a request to stop a job may be in transit."""
OK, NOT_FOUND = 200, 404
RIGHT: dict[Fate, set[str | None]] = {
    Fate.RUN: {"Succeeded"},
    Fate.CANCELLED: {"Cancelled", "Succeeded"},  # it may have completed first; see `_late_starts`
    Fate.DELETED: {None},
}
"""The phases in which a job may end, by its requested end."""


@dataclass(frozen=True)
class Message:
    """A message in a stream."""

    stored_at: float
    event: Event[Any]


async def violations(world: World, readiness: Readiness, listener: Listener) -> list[str]:
    """Return all current violations."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session, world.nats() as client:
        problems = [f"the {part} is not ready: {reason}" for part, reason in (await readiness.now()).items()]
        problems += [each async for each in _catalogue(world, session)]
        problems += [each async for each in _servings(world, session)]
        problems += [each async for each in _jobs(world, session)]
        problems += _processes(world)
        streams = {spec.name: await read(client, spec.name) for spec in (MODELS, JOBS, SERVINGS, DEAD)}
    return [*problems, *_events(world, streams), *_live_events(listener, streams)]


async def _catalogue(world: World, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    for ref, wanted in world.ledger.versions.items():
        name, _, version = ref.removeprefix("chaos/").partition(":")
        status, document = await _get(world, session, f"/projects/chaos/models/{name}/versions/{version}")
        if status != OK:
            yield f"{ref} was pushed and is not in the catalogue: {status}"
        elif document["spec"]["digest"] != wanted.digest:
            yield f"{ref} is {document['spec']['digest']} in the catalogue, and {wanted.digest} was pushed last"
        elif document["status"]["extraction"] != "Succeeded" or not document["status"].get("signature"):
            yield f"{ref} has no signature: {document['status']['extraction']}"


async def _servings(world: World, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    _, listed = await _get(world, session, "/servings?limit=1000")
    for unknown in {each["name"] for each in listed["items"]} - set(world.ledger.servings):
        yield f"the serving {unknown} is there, and nobody asked for it"
    for name, wanted in world.ledger.servings.items():
        status, document = await _get(world, session, f"/namespaces/default/servings/{name}")
        phase = document["status"]["phase"] if status == OK else None
        answer = await _answer(world, session, name)
        if answer not in wanted.right or (phase is not None) != (answer is not None) or phase not in {None, "Ready"}:
            yield f"the serving {name} is {phase} and answers {answer}, and should answer {wanted.right}"


async def _answer(world: World, session: aiohttp.ClientSession, name: str) -> int | str | None:
    """Return the number of the version that answers, or None if the serving does not exist."""
    load = Load()
    await load.ask(session, f"{world.urls.ingress}/seldon/default/{name}/v2/models/{name}/infer")
    if load.answers:
        return round(next(iter(load.answers)) - 1)
    failure = next(iter(load.failures))
    return None if failure == NOT_FOUND else str(failure)


async def _jobs(world: World, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    for name, job in world.ledger.jobs.items():
        status, document = await _get(world, session, f"/namespaces/default/modeljobs/{name}")
        phase = document["status"]["phase"] if status == OK else None
        right = RIGHT[job.fate] | ({None} if job.forgotten else set())
        if phase not in right and not job.excused:
            yield f"the job {name} of {job.ref} is {phase}, and should be {job.fate}"


def _processes(world: World) -> list[str]:
    problems = []
    wanted = [one.right for one in world.ledger.servings.values()]
    least, most = sum(None not in right for right in wanted), sum(right != {None} for right in wanted)
    servers = len(world.platform.children("kleverserve"))
    if not least <= servers <= most:
        problems.append(f"{servers} model servers run, and {least} to {most} are wanted")
    if (envoys := len(world.platform.children("bin/envoy"))) != 1:
        problems.append(f"{envoys} Envoys run")
    programs = [f"klever_{service}" for service in SERVICES if service != TOPOLOGY]
    for part in (*programs, "kleverkit.topology_service", "nats-server"):
        running = [p for p in world.platform.children(part) if any(arg.endswith(part) for arg in p.cmdline())]
        if len(running) != 1:
            problems.append(f"{len(running)} processes of {part} run: {running}")
    return problems


def _live_events(listener: Listener, streams: dict[str, list[Message]]) -> list[str]:
    problems = [f"the live events had {event} twice" for event in listener.repeated]
    for stream in (MODELS.name, JOBS.name, SERVINGS.name):
        held = {each.event.id: each.event.type for each in streams[stream] if each.stored_at > listener.since}
        problems += [f"the live events never had {held[each]} {each}" for each in listener.missed(stream, set(held))]
    return problems


def _events(world: World, streams: dict[str, list[Message]]) -> list[str]:
    problems = []
    for stream, messages in streams.items():
        repeated = [each for each, count in Counter(message.event.id for message in messages).items() if count > 1]
        problems += [f"{stream} has the event {event_id} more than once" for event_id in repeated]
    problems += [f"a message was given up: {message.event.data}" for message in streams[DEAD.name]]
    problems += _repeated_pushes(streams[MODELS.name])
    problems += _repeated_ends(streams[JOBS.name])
    problems += _late_starts(world, streams[JOBS.name])
    return problems


def _repeated_pushes(messages: list[Message]) -> list[str]:
    """Each push has a digest of its own, also of the tag that moves."""
    events = [message.event.data for message in messages]
    pushed = Counter((str(each.ref), each.digest) for each in events if isinstance(each, ModelPushed))
    return [f"the push of {ref} was announced {count} times" for (ref, _), count in pushed.items() if count > 1]


def _repeated_ends(messages: list[Message]) -> list[str]:
    """A job completes once for each request or push that it answers."""
    ends = Counter(
        (message.event.data.id, message.event.causation_id)
        for message in messages
        if isinstance(message.event.data, JobCompleted)
    )
    return [f"the job {name} completed {count} times for {cause}" for (name, cause), count in ends.items() if count > 1]


def _late_starts(world: World, messages: list[Message]) -> list[str]:
    problems = []
    for message in messages:
        data = message.event.data
        job = world.ledger.jobs.get(data.id) if isinstance(data, JobStarted) else None
        if job is None or job.stopped_at is None or job.excused:
            continue
        late = message.stored_at - job.stopped_at
        if late > GRACE_SECONDS:
            problems.append(f"the job {data.id} of {job.ref} started {late:.1f} s after it was {job.fate}")
    return problems


async def read(client: Client, stream: str) -> list[Message]:
    """Return every message of a stream."""
    js = client.jetstream()
    config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE, mem_storage=True, inactive_threshold=30)
    subscription = await js.pull_subscribe("", stream=stream, config=config)
    problems: list[Message] = []
    waiting = (await subscription.consumer_info()).num_pending or 0
    while waiting:
        for message in await subscription.fetch(min(waiting, 256), 5):
            waiting = message.metadata.num_pending
            event = parse(message.headers or {}, message.data)
            problems.append(Message(message.metadata.timestamp.timestamp(), event))
    await subscription.unsubscribe()
    return problems


async def _get(world: World, session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(f"{world.urls.api}{API}{path}", headers=world.login) as response:
        return response.status, await response.json(content_type=None)


UNREACHABLE = (aiohttp.ClientError, nats.errors.Error, OSError, TimeoutError)
