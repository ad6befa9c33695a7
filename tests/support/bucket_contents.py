"""The contents of a bucket of documents, for tests in which every entry must be readable."""

from typing import TypeVar

from kleverkit.documents import Buried, Documents, Listing, Stored
from kleverproto.base import WireModel

DocT = TypeVar("DocT", bound=WireModel)


async def stored_in(documents: Documents[DocT]) -> list[Stored[DocT]]:
    """Return every document by key."""
    return list((await _listing(documents)).documents)


async def tombstones_in(documents: Documents[DocT]) -> list[Buried[DocT]]:
    """Return every tombstone by key."""
    return list((await _listing(documents)).buried)


async def _listing(documents: Documents[DocT]) -> Listing[DocT]:
    listing = await documents.listing()
    assert listing.unreadable == ()
    return listing
