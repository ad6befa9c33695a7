"""Everything in a bucket of documents, where a test needs all of it to be readable."""

from typing import TypeVar

from kleverkit.documents import Buried, Documents, Listing, Stored
from kleverproto.base import WireModel

DocT = TypeVar("DocT", bound=WireModel)


async def stored_in(documents: Documents[DocT]) -> list[Stored[DocT]]:
    """Every document, by key."""
    return list((await _listing(documents)).documents)


async def tombstones_in(documents: Documents[DocT]) -> list[Buried[DocT]]:
    """Every tombstone, by key."""
    return list((await _listing(documents)).buried)


async def _listing(documents: Documents[DocT]) -> Listing[DocT]:
    listing = await documents.listing()
    assert listing.unreadable == ()
    return listing
