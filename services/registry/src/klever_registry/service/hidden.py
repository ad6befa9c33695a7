"""Unreadable entries of a bucket, which are damaged or from another release. They are not changed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from kleverkit.documents import Listing
from kleverproto.references import ModelRef
from kleverproto.streams import BucketSpec

ValueT = TypeVar("ValueT")


def readable_only(refs: Mapping[ModelRef, ValueT], listing: Listing[Any]) -> dict[ModelRef, ValueT]:
    """Remove the versions whose documents are unreadable, because their state in the catalogue is unknown."""
    hidden = {entry.key for entry in listing.unreadable}
    return {ref: value for ref, value in refs.items() if ref.key not in hidden}


def problem(listing: Listing[Any], bucket: BucketSpec) -> str | None:
    """Return the problem for an alarm about unreadable entries, or None."""
    if not listing.unreadable:
        return None
    reasons = "; ".join(entry.why for entry in listing.unreadable)
    return (
        f"{len(listing.unreadable)} documents in {bucket.name} are unreadable and ignored: {reasons}. Update Klever if "
        f"a newer release has written them, or recreate one: remove it with `nats kv del {bucket.name} KEY`"
    )
