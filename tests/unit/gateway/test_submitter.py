"""A request is accepted exactly if it is stored."""

import pytest

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.domain.rows import Collection, serving_row
from klever_gateway.service.submitter import Submitter
from kleverkit.errors import TransientError
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource
from kleverproto.servings import ServingDeleteRequested
from support.gateway import NOW, serving_document

REQUEST = ServingDeleteRequested(namespace="default", name="iris")
ROW = serving_row("iris", 9, serving_document(), accepted=True)


class FullProjection(InMemoryProjection):
    """A projection whose disk is full."""

    async def accept(self, *_args: object) -> None:
        raise TransientError("the disk is full")


class OneStream:
    """Stores every request after six others, or none."""

    def __init__(self, *, is_away: bool = False) -> None:
        self._is_away = is_away

    async def store(self, event: Event[WireModel]) -> int:
        """See `Requests`."""
        if self._is_away:
            raise TransientError(f"{event.type} could not be stored")
        return 7

    async def is_waiting(self, stream: str, sequence: int, event_id: str) -> bool:
        """See `Requests`."""
        raise NotImplementedError


def make_submitter(projection: InMemoryProjection, requests: OneStream) -> Submitter:
    return Submitter(
        requests=requests,
        projection=projection,
        source=EventSource("gateway", lambda: NOW),
        new_id=lambda: "request",
        clock=lambda: NOW,
    )


async def test_an_accepted_request_is_shown_with_its_position() -> None:
    projection = InMemoryProjection()
    submitter = make_submitter(projection, OneStream())
    await submitter.submit(submitter.event(REQUEST), Collection.SERVINGS, ROW)
    shown = await projection.get(Collection.SERVINGS, "iris")
    assert shown is not None
    assert (shown.sequence, shown.event_id, shown.revision) == (7, "request", 0)


async def test_a_stored_request_is_accepted_even_if_it_cannot_be_shown() -> None:
    submitter = make_submitter(FullProjection(), OneStream())
    accepted = await submitter.submit(submitter.event(REQUEST), Collection.SERVINGS, ROW)
    assert accepted.correlation_id == "request"


async def test_a_request_that_is_not_stored_is_neither_accepted_nor_shown() -> None:
    projection = InMemoryProjection()
    submitter = make_submitter(projection, OneStream(is_away=True))
    with pytest.raises(TransientError):
        await submitter.submit(submitter.event(REQUEST), Collection.SERVINGS, ROW)
    assert await projection.get(Collection.SERVINGS, "iris") is None
