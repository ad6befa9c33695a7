"""What each service, and each external system, may do on a NATS server that requires credentials.

Everything follows from the contract: who publishes which event, who owns and who reads which bucket, whose consumer
takes which messages. Subjects of the JetStream API are those of NATS ADR-1 and ADR-31; what a client may not publish
to, it may not do. Each client has an account of its own, so that the answers to its requests reach nobody else and
nothing but its inbox (docs/adr/0025).
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
"""What every client may subscribe to, in an account that it shares with nobody."""


@dataclass(frozen=True)
class Permissions:
    """What a client may publish to. No two of the allowed subjects overlap: each is imported into its account."""

    publish: tuple[str, ...]
    deny: tuple[str, ...] = ()
    """Exceptions from `publish`."""


def publishable_by_externals() -> tuple[str, ...]:
    """Filters of the events that external systems may publish."""
    return tuple(event.filter for event in EVENT_TYPES if ANY in event.producers)


def streams_of(service: str) -> tuple[StreamSpec, ...]:
    """The streams that a service publishes to or reads."""
    used = {
        event.stream.name
        for event in EVENT_TYPES
        if service == TOPOLOGY or service in event.producers or service in event.consumers
    }
    return tuple(stream for stream in STREAMS if stream.name in used)


def buckets_of(service: str) -> tuple[BucketSpec, ...]:
    """The buckets that a service writes or reads."""
    if service == TOPOLOGY:
        return (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET)
    return tuple(bucket for bucket in BUCKETS if service == bucket.owner or service in bucket.readers)


def leases_of(service: str) -> tuple[BucketSpec, ...]:
    """The bucket of leases, where a service holds one."""
    return (LEASES_BUCKET,) if service in LEASE_HOLDERS else ()


def service_permissions(service: str, externals: Iterable[str] = ()) -> Permissions:
    """What one of SERVICES may do.

    Args:
        service: its name.
        externals: names of external systems, whose consumers it must leave alone.
    """
    own = [consumer for consumer in CONSUMERS if consumer.service == service]
    followed = _followed(service)
    foreign = [(each.stream, each.durable) for each in CONSUMERS]
    foreign += [(stream.name, name) for stream in STREAMS for name in externals]
    publish = [
        *_events(service),
        *(_api("STREAM.INFO", name) for name in _stored(service)),
        *(_api("STREAM.MSG.GET", name) for name in [*sorted({each.stream for each in own}), *followed]),
        *(subject for consumer in own for subject in _taking(consumer.stream, consumer.durable)),
        *(subject for stream in followed for subject in _following(stream)),
        *(subject for bucket in buckets_of(service) for subject in _reading(bucket)),
        *(subject for bucket in buckets_of(service) if bucket.owner == service for subject in _writing(bucket)),
        *(subject for bucket in leases_of(service) for subject in _leasing(bucket, service)),
    ]
    return Permissions(
        tuple(publish),
        tuple(subject for stream, name in foreign if stream in followed for subject in _touching(stream, name)),
    )


def topology_permissions() -> Permissions:
    """What the service TOPOLOGY may do: create what is missing; neither read nor write events and documents."""
    stored = [*(stream.name for stream in STREAMS), *(bucket.stream for bucket in buckets_of(TOPOLOGY))]
    publish = [_api(verb, name) for verb in ("STREAM.INFO", "STREAM.CREATE") for name in stored]
    publish += [_api("STREAM.UPDATE", stream.name) for stream in STREAMS]
    publish += [subject for consumer in CONSUMERS for subject in _keeping(consumer)]
    publish += [_api("STREAM.MSG.GET", POSITIONS_BUCKET.stream), POSITIONS_BUCKET.subjects]
    return Permissions(tuple(publish))


def external_permissions(name: str, *, publish: Iterable[str], subscribe: Iterable[str]) -> Permissions:
    """What an external system may do: publish these events, and read others with a consumer of its own name.

    Args:
        name: of the system; its consumers have the same name.
        publish: subject filters, each within one of `publishable_by_externals`.
        subscribe: subject filters, each within the subjects of a stream.

    Raises:
        ValueError: a filter goes beyond that, or two of them overlap. The message is for people.
    """
    allowed = _within(publish, publishable_by_externals(), "events that external systems may publish")
    streams = {subject: stream.name for stream in STREAMS for subject in stream.subjects}
    filters = _within(subscribe, streams, "events")
    created = [_api("CONSUMER.CREATE", _stream_of(filter_, streams), name, filter_) for filter_ in filters]
    read = {_stream_of(filter_, streams) for filter_ in filters}
    taken = [subject for stream in sorted(read) for subject in _taking(stream, name)]
    published = {_stream_of(subject, streams) for subject in allowed}
    asked = [_api("CONSUMER.INFO", stream, name) for stream in sorted(published - read)]
    return Permissions((*allowed, *created, *taken, *asked))


def _events(service: str) -> list[str]:
    """Dead letters are those of the streams that the service takes messages from."""
    own = sorted({consumer.stream for consumer in CONSUMERS if consumer.service == service})
    filters = [event.filter for event in EVENT_TYPES if service in event.producers]
    every = subjects.every("dead")
    return [filter_ for filter_ in filters if filter_ != every] + [subjects.dead(stream) for stream in own]


def _followed(service: str) -> list[str]:
    """Streams that a service reads with short-lived consumers, since it has no durable one there."""
    own = {consumer.stream for consumer in CONSUMERS if consumer.service == service}
    return [stream.name for stream in STREAMS if service in stream.readers and stream.name not in own]


def _stored(service: str) -> list[str]:
    buckets = (*buckets_of(service), *leases_of(service))
    return [*(stream.name for stream in streams_of(service)), *(bucket.stream for bucket in buckets)]


def _api(verb: str, *names: str) -> str:
    return ".".join(("$JS.API", verb, *names))


def _taking(stream: str, consumer: str) -> list[str]:
    """Take and acknowledge the messages of a durable consumer."""
    info, fetch = _api("CONSUMER.INFO", stream, consumer), _api("CONSUMER.MSG.NEXT", stream, consumer)
    return [info, fetch, f"$JS.ACK.{stream}.{consumer}.>"]


def _following(stream: str) -> list[str]:
    """Read a stream with short-lived consumers. Their names are random, and nobody may list them."""
    return [_api(f"CONSUMER.{verb}", stream, "*") for verb in ("CREATE", "INFO", "MSG.NEXT")]


def _touching(stream: str, consumer: str) -> list[str]:
    """Calls by which a short-lived consumer could change another consumer or take its messages."""
    return [_api(f"CONSUMER.{verb}", stream, consumer) for verb in ("CREATE", "MSG.NEXT")]


def _reading(bucket: BucketSpec) -> list[str]:
    create = _api("CONSUMER.CREATE", bucket.stream, "*", bucket.subjects)
    short_lived = [_api(f"CONSUMER.{verb}", bucket.stream, "*") for verb in ("INFO", "MSG.NEXT", "DELETE")]
    return [_api("STREAM.MSG.GET", bucket.stream), create, *short_lived]


def _writing(bucket: BucketSpec) -> list[str]:
    """Write keys, and purge what is left of a deleted one."""
    return [bucket.subjects, _api("STREAM.PURGE", bucket.stream)]


def _leasing(bucket: BucketSpec, service: str) -> list[str]:
    """Read the leases, and write the one that has the service's name."""
    return [_api("STREAM.MSG.GET", bucket.stream), f"$KV.{bucket.name}.{service}"]


def _keeping(consumer: ConsumerSpec) -> list[str]:
    at = (consumer.stream, consumer.durable)
    create = _api("CONSUMER.CREATE", *at, consumer.subject)
    return [create, _api("CONSUMER.INFO", *at), _api("CONSUMER.DELETE", *at)]


def _within(filters: Iterable[str], bounds: Iterable[str], what: str) -> list[str]:
    """The filters without those that others cover. Raises ValueError."""
    allowed = list(bounds)
    kept: list[str] = []
    for wanted in dict.fromkeys(filters):
        if not any(subjects.covers(bound, wanted) for bound in allowed):
            raise ValueError(f"{wanted} is not within the {what}: {', '.join(allowed)}")
        if any(subjects.covers(other, wanted) for other in kept):
            continue
        kept = [other for other in kept if not subjects.covers(wanted, other)]
        if twin := next((other for other in kept if subjects.overlap(other, wanted)), None):
            raise ValueError(f"{wanted} and {twin} overlap: name subjects that do not")
        kept.append(wanted)
    return kept


def _stream_of(filter_: str, streams: dict[str, str]) -> str:
    return next(stream for bound, stream in streams.items() if subjects.covers(bound, filter_))
