"""Entries of a bucket that cannot be read: what another release wrote, or what was damaged. They are left alone."""

from collections.abc import Mapping
from typing import Any, TypeVar

from kleverkit.documents import Listing
from kleverproto.references import ModelRef
from kleverproto.streams import BucketSpec

ValueT = TypeVar("ValueT")


def unhidden(refs: Mapping[ModelRef, ValueT], listing: Listing[Any]) -> dict[ModelRef, ValueT]:
    """Without the versions whose documents cannot be read: what the catalogue says of them is not known."""
    hidden = {entry.key for entry in listing.unreadable}
    return {ref: value for ref, value in refs.items() if ref.key not in hidden}


def problem(listing: Listing[Any], bucket: BucketSpec) -> str | None:
    """What an alarm says of such entries; None where there are none."""
    if not listing.unreadable:
        return None
    reasons = "; ".join(entry.why for entry in listing.unreadable)
    return (
        f"{len(listing.unreadable)} documents in {bucket.name} are passed over: {reasons}. Update Klever where a newer "
        f"release has written them, or remove one with `nats kv del {bucket.name} KEY`, and it is recreated"
    )
