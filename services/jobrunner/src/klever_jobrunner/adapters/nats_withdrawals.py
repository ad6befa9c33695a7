"""Reads the cancellations and deletions of jobs from the stream of requests."""

from collections.abc import AsyncIterator

import nats.js.errors
from nats.js import JetStreamContext, api

from klever_jobrunner.domain.requests import Request
from kleverkit.nats_calls import ClientSource, call
from kleverproto.catalogue import BY_DATA
from kleverproto.jobs import JobCancelRequested, JobDeleteRequested
from kleverproto.streams import JOBS, MODELS

WITHDRAWING = (BY_DATA[JobCancelRequested], BY_DATA[JobDeleteRequested])


class NatsWithdrawals:
    """See `ports.Withdrawals`: reads the last message of each kind about a job."""

    def __init__(self, client: ClientSource) -> None:
        self._client = client

    async def is_withdrawn(self, request: Request) -> bool:
        """See `ports.Withdrawals`. A push is in another stream, so its time is compared instead of its sequence."""
        js = self._client().jetstream()
        withdrawals = [message async for message in _withdrawals(js, request.job)]
        if not withdrawals or not request.is_push:
            return any((message.seq or 0) > request.intent.sequence for message in withdrawals)
        push = await _message(js, MODELS.name, seq=request.intent.sequence)
        return push is not None and any(_is_later(message, push) for message in withdrawals)


async def _withdrawals(js: JetStreamContext, job: str) -> AsyncIterator[api.RawStreamMsg]:
    for event in WITHDRAWING:
        message = await _message(js, JOBS.name, subject=event.about(job))
        if message is not None:
            yield message


async def _message(
    js: JetStreamContext, stream: str, *, seq: int | None = None, subject: str | None = None
) -> api.RawStreamMsg | None:
    try:
        return await call(js.get_msg(stream, seq=seq, subject=subject))
    except nats.js.errors.NotFoundError:
        return None


def _is_later(message: api.RawStreamMsg, push: api.RawStreamMsg) -> bool:
    return message.time is not None and push.time is not None and message.time > push.time
