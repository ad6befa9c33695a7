"""Every operation that a NATS client could try and the services that may do it, derived from the contract again.

`kleverproto.permissions` derives the permissions of each service. This module derives them independently, for each
subject from the columns of the contract, so that a mistake there is found.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kleverproto.catalogue import EVENT_TYPES
from kleverproto.publishers import ANY
from kleverproto.streams import BUCKETS, CONSUMERS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS

TOPOLOGY, GATEWAY = "topology", "gateway"
SERVICES = ("registry", "jobrunner", "deployer", GATEWAY, TOPOLOGY)
ALL_BUCKETS = (*BUCKETS, POSITIONS_BUCKET)
LEASES = f"KV_{LEASES_BUCKET.name}"
LEASE_HOLDERS = ("registry", "deployer", "gateway")
STORED = (LEASES, *(stream.name for stream in STREAMS), *(f"KV_{bucket.name}" for bucket in ALL_BUCKETS))
ON_A_STREAM = ("STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE")
"""Calls that can destroy a stream, or let it receive the messages of others."""
READS_A_STREAM = ("STREAM.SNAPSHOT", "DIRECT.GET", "CONSUMER.CREATE", "CONSUMER.NAMES", "CONSUMER.LIST")
ON_THE_SERVER = (
    *("INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.TEMPLATE.CREATE.X", "STREAM.CREATE.OTHER", "STREAM.RESTORE.OTHER"),
    *("ACCOUNT.PURGE.klever", "SERVER.REMOVE", "META.LEADER.STEPDOWN"),
)
ON_A_CONSUMER = ("CONSUMER.DURABLE.CREATE", "CONSUMER.PAUSE", "CONSUMER.UNPIN", "CONSUMER.LEADER.STEPDOWN")


@dataclass(frozen=True)
class Power:
    """An operation that a client could try.

    Attributes:
        subject: to which the client publishes for that.
        owners: services that may do it.
    """

    subject: str
    owners: frozenset[str] = frozenset()


def powers() -> list[Power]:
    """Every event, document, message, consumer, stream and server call."""
    return [*_events(), *_documents(), *_leases(), *_messages(), *_streams(), *_server()]


def external_events() -> list[str]:
    """The subjects of events that external systems may publish, one for each type."""
    return [_example(event.filter) for event in EVENT_TYPES if ANY in event.producers]


def _power(subject: str, *owners: str) -> Power:
    return Power(subject, frozenset(owners))


def _example(filter_: str) -> str:
    return filter_.removesuffix(">") + "a.b"


def _events() -> Iterator[Power]:
    for event in EVENT_TYPES:
        if event.context != "dead":
            yield _power(_example(event.filter), *event.producers)
    for stream in STREAMS:
        yield _power(f"klever.dead.{stream.name}", *(each.service for each in CONSUMERS if each.stream == stream.name))
    yield _power("klever.model.invented.a.b")
    yield _power("klever.other")


def _documents() -> Iterator[Power]:
    for bucket in ALL_BUCKETS:
        stream = f"KV_{bucket.name}"
        may_read = {bucket.owner, *bucket.readers} - {TOPOLOGY}
        yield _power(f"$KV.{bucket.name}.some.key", bucket.owner)
        yield _power(f"$JS.API.STREAM.PURGE.{stream}", *({bucket.owner} - {TOPOLOGY}))
        yield _power(f"$JS.API.STREAM.MSG.GET.{stream}", bucket.owner, *bucket.readers)
        yield _power(f"$JS.API.CONSUMER.CREATE.{stream}.reader.$KV.{bucket.name}.>", *may_read)
        yield _power(f"$JS.API.CONSUMER.CREATE.{stream}.reader")
        for verb in ("MSG.NEXT", "INFO", "DELETE"):
            yield _power(f"$JS.API.CONSUMER.{verb}.{stream}.reader", *may_read)
        yield _power(f"$JS.API.STREAM.INFO.{stream}", bucket.owner, *bucket.readers, TOPOLOGY)


def _leases() -> Iterator[Power]:
    for service in SERVICES:
        yield _power(f"$KV.{LEASES_BUCKET.name}.{service}", *({service} & {*LEASE_HOLDERS}))
    yield _power(f"$KV.{LEASES_BUCKET.name}.registry.more")
    yield _power(f"$JS.API.STREAM.MSG.GET.{LEASES}", *LEASE_HOLDERS)
    yield _power(f"$JS.API.STREAM.INFO.{LEASES}", *LEASE_HOLDERS, TOPOLOGY)
    yield _power(f"$JS.API.STREAM.PURGE.{LEASES}")
    yield _power(f"$JS.API.STREAM.UPDATE.{LEASES}", TOPOLOGY)


def _messages() -> Iterator[Power]:
    for consumer in CONSUMERS:
        at = f"{consumer.stream}.{consumer.durable}"
        yield _power(f"$JS.API.CONSUMER.MSG.NEXT.{at}", consumer.service)
        yield _power(f"$JS.ACK.{at}.1.1.1.1.0", consumer.service)
        yield _power(f"$JS.API.CONSUMER.INFO.{at}", consumer.service, GATEWAY, TOPOLOGY)
        yield _power(f"$JS.API.CONSUMER.CREATE.{at}.{consumer.subject}", TOPOLOGY)
        yield _power(f"$JS.API.CONSUMER.CREATE.{at}.>")
        yield _power(f"$JS.API.CONSUMER.CREATE.{at}")
        yield _power(f"$JS.API.CONSUMER.DELETE.{at}", TOPOLOGY)
        for verb in ON_A_CONSUMER:
            yield _power(f"$JS.API.{verb}.{at}")


def _streams() -> Iterator[Power]:
    for stream in STREAMS:
        events = [event for event in EVENT_TYPES if event.stream is stream]
        users = {name for event in events for name in (*event.producers, *event.consumers)}
        takers = {consumer.service for consumer in CONSUMERS if consumer.stream == stream.name}
        follower = {GATEWAY} & set(stream.readers)
        yield _power(f"$JS.API.STREAM.INFO.{stream.name}", *users, *takers, TOPOLOGY)
        yield _power(f"$JS.API.STREAM.MSG.GET.{stream.name}", *takers, *follower)
        for verb in ("CREATE", "INFO", "MSG.NEXT"):
            yield _power(f"$JS.API.CONSUMER.{verb}.{stream.name}.follower", *follower)
        yield _power(f"$JS.API.CONSUMER.DELETE.{stream.name}.follower")
        yield _power(f"$JS.API.STREAM.PURGE.{stream.name}")
        yield _power(f"$JS.API.STREAM.UPDATE.{stream.name}", TOPOLOGY)
    for bucket in ALL_BUCKETS:
        yield _power(f"$JS.API.STREAM.UPDATE.KV_{bucket.name}", TOPOLOGY)


def _server() -> Iterator[Power]:
    for name in STORED:
        for verb in ON_A_STREAM + READS_A_STREAM:
            if verb not in ("STREAM.UPDATE", "STREAM.PURGE"):
                yield _power(f"$JS.API.{verb}.{name}", *([TOPOLOGY] if verb == "STREAM.CREATE" else []))
    for call in ON_THE_SERVER:
        yield _power(f"$JS.API.{call}")
    for subject in ("$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "_INBOX.somebody.else", "anything"):
        yield _power(subject)
