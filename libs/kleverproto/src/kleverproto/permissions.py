"""Permissions of services and external systems on a NATS server that requires credentials.

The permissions follow from the contract: the publishers of each event, the owner and the readers of each bucket, and
the service of each consumer. Every operation is a request to a subject, for JetStream to those of NATS ADR-1 and
ADR-31, so that permissions to publish suffice. Each client has a separate account, so that no other client receives
the responses to its requests (docs/adr/0025).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from . import subjects
from .catalogue import EVENT_TYPES
from .publishers import ANY, PUBLISHERS
from .streams import (
    BUCKETS,
    CONSUMERS,
    LEASE_HOLDERS,
    LEASES_BUCKET,
    POSITIONS_BUCKET,
    STREAMS,
    TOPOLOGY,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)

SERVICES = tuple(PUBLISHERS)
INBOX = "_INBOX.>"
"""The only subjects that a client may subscribe to, in its own account."""


@dataclass(frozen=True)
class Permissions:
    """Subjects that a client may publish to. They do not overlap, because each one is imported into the account."""

    publish: tuple[str, ...]
    deny: tuple[str, ...] = ()
    """Exceptions from `publish`."""


def publishable_by_externals() -> tuple[str, ...]:
    """Return the subject filters of the events that external systems may publish."""
    return tuple(event.filter for event in EVENT_TYPES if ANY in event.producers)


def streams_of(service: str) -> tuple[StreamSpec, ...]:
    """Return the streams that a service publishes to or reads."""
    used = {
        event.stream.name
        for event in EVENT_TYPES
        if service == TOPOLOGY or service in event.producers or service in event.consumers
    }
    return tuple(stream for stream in STREAMS if stream.name in used)


def buckets_of(service: str) -> tuple[BucketSpec, ...]:
    """Return the buckets that a service writes or reads."""
    if service == TOPOLOGY:
        return (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET)
    return tuple(bucket for bucket in BUCKETS if service == bucket.owner or service in bucket.readers)


def leases_of(service: str) -> tuple[BucketSpec, ...]:
    """Return the bucket of leases if the service holds a lease."""
    return (LEASES_BUCKET,) if service in LEASE_HOLDERS else ()


def service_permissions(service: str, externals: Iterable[str] = ()) -> Permissions:
    """Return the permissions of one of SERVICES.

    Args:
        service: name of the service.
        externals: names of external systems, whose consumers the service may not use.
    """
    own = [consumer for consumer in CONSUMERS if consumer.service == service]
    followed = _followed_streams(service)
    foreign = [(each.stream, each.durable) for each in CONSUMERS]
    foreign += [(stream.name, name) for stream in STREAMS for name in externals]
    publish = [
        *_event_filters(service),
        *(_api("STREAM.INFO", name) for name in _stream_names(service)),
        *(_api("STREAM.MSG.GET", name) for name in [*sorted({each.stream for each in own}), *followed]),
        *(subject for consumer in own for subject in _consume_subjects(consumer.stream, consumer.durable)),
        *(subject for stream in followed for subject in _follow_subjects(stream)),
        *(subject for bucket in buckets_of(service) for subject in _read_subjects(bucket)),
        *(subject for bucket in buckets_of(service) if bucket.owner == service for subject in _write_subjects(bucket)),
        *(subject for bucket in leases_of(service) for subject in _lease_subjects(bucket, service)),
    ]
    return Permissions(
        tuple(publish),
        tuple(
            subject for stream, name in foreign if stream in followed for subject in _interfering_subjects(stream, name)
        ),
    )


def topology_permissions() -> Permissions:
    """Return the permissions of TOPOLOGY: to create streams, buckets and consumers, but no access to their content."""
    stored = [*(stream.name for stream in STREAMS), *(bucket.stream for bucket in buckets_of(TOPOLOGY))]
    publish = [_api(verb, name) for verb in ("STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE") for name in stored]
    publish += [subject for consumer in CONSUMERS for subject in _management_subjects(consumer)]
    publish += [_api("STREAM.MSG.GET", POSITIONS_BUCKET.stream), POSITIONS_BUCKET.subjects]
    return Permissions(tuple(publish))


def external_permissions(name: str, *, publish: Iterable[str], subscribe: Iterable[str]) -> Permissions:
    """Return the permissions of an external system: to publish some events, and to read others with its consumer.

    Args:
        name: name of the system and of its consumers.
        publish: subject filters, each within one of `publishable_by_externals`.
        subscribe: subject filters, each within the subjects of a stream.

    Raises:
        ValueError: a filter is not within these, or two filters overlap. The message is for people.
    """
    allowed = _within(publish, publishable_by_externals(), "events that external systems may publish")
    streams = {subject: stream.name for stream in STREAMS for subject in stream.subjects}
    filters = _within(subscribe, streams, "events")
    created = [_api("CONSUMER.CREATE", _stream_of(filter_, streams), name, filter_) for filter_ in filters]
    read = {_stream_of(filter_, streams) for filter_ in filters}
    consumed = [subject for stream in sorted(read) for subject in _consume_subjects(stream, name)]
    published = {_stream_of(subject, streams) for subject in allowed}
    observed = [_api("CONSUMER.INFO", stream, name) for stream in sorted(published - read)]
    return Permissions((*allowed, *created, *consumed, *observed))


def _event_filters(service: str) -> list[str]:
    """Return the filters of the events that a service publishes; dead letters only of streams that it consumes."""
    own = sorted({consumer.stream for consumer in CONSUMERS if consumer.service == service})
    filters = [event.filter for event in EVENT_TYPES if service in event.producers]
    every = subjects.every("dead")
    return [filter_ for filter_ in filters if filter_ != every] + [subjects.dead(stream) for stream in own]


def _followed_streams(service: str) -> list[str]:
    """Return the streams that a service reads with short-lived consumers, because it has no durable one there."""
    own = {consumer.stream for consumer in CONSUMERS if consumer.service == service}
    return [stream.name for stream in STREAMS if service in stream.readers and stream.name not in own]


def _stream_names(service: str) -> list[str]:
    buckets = (*buckets_of(service), *leases_of(service))
    return [*(stream.name for stream in streams_of(service)), *(bucket.stream for bucket in buckets)]


def _api(verb: str, *names: str) -> str:
    return ".".join(("$JS.API", verb, *names))


def _consume_subjects(stream: str, consumer: str) -> list[str]:
    """Return the subjects to fetch and acknowledge messages of a durable consumer."""
    info, fetch = _api("CONSUMER.INFO", stream, consumer), _api("CONSUMER.MSG.NEXT", stream, consumer)
    return [info, fetch, f"$JS.ACK.{stream}.{consumer}.>"]


def _follow_subjects(stream: str) -> list[str]:
    """Return the subjects to read a stream with short-lived consumers. Their names are random and cannot be listed."""
    return [_api(f"CONSUMER.{verb}", stream, "*") for verb in ("CREATE", "INFO", "MSG.NEXT")]


def _interfering_subjects(stream: str, consumer: str) -> list[str]:
    """Return the subjects by which a client could change another consumer or fetch its messages."""
    return [_api(f"CONSUMER.{verb}", stream, consumer) for verb in ("CREATE", "MSG.NEXT")]


def _read_subjects(bucket: BucketSpec) -> list[str]:
    create = _api("CONSUMER.CREATE", bucket.stream, "*", bucket.subjects)
    short_lived = [_api(f"CONSUMER.{verb}", bucket.stream, "*") for verb in ("INFO", "MSG.NEXT", "DELETE")]
    return [_api("STREAM.MSG.GET", bucket.stream), create, *short_lived]


def _write_subjects(bucket: BucketSpec) -> list[str]:
    """Return the subjects to write keys, and to purge deleted ones."""
    return [bucket.subjects, _api("STREAM.PURGE", bucket.stream)]


def _lease_subjects(bucket: BucketSpec, service: str) -> list[str]:
    """Return the subjects to read all leases, and to write the one with the service's name."""
    return [_api("STREAM.MSG.GET", bucket.stream), f"$KV.{bucket.name}.{service}"]


def _management_subjects(consumer: ConsumerSpec) -> list[str]:
    at = (consumer.stream, consumer.durable)
    create = _api("CONSUMER.CREATE", *at, consumer.subject)
    return [create, _api("CONSUMER.INFO", *at), _api("CONSUMER.DELETE", *at)]


def _within(filters: Iterable[str], bounds: Iterable[str], what: str) -> list[str]:
    """Return the filters without those that others cover. Raises ValueError if one is not within the bounds."""
    allowed = list(bounds)
    kept: list[str] = []
    for candidate in dict.fromkeys(filters):
        if not any(subjects.covers(bound, candidate) for bound in allowed):
            raise ValueError(f"{candidate} is not within the {what}: {', '.join(allowed)}")
        if any(subjects.covers(other, candidate) for other in kept):
            continue
        kept = [other for other in kept if not subjects.covers(candidate, other)]
        if twin := next((other for other in kept if subjects.overlap(other, candidate)), None):
            raise ValueError(f"{candidate} and {twin} overlap: name subjects that do not")
        kept.append(candidate)
    return kept


def _stream_of(filter_: str, streams: dict[str, str]) -> str:
    return next(stream for bound, stream in streams.items() if subjects.covers(bound, filter_))
