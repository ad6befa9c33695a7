"""Decides how a serving is restored if its bucket or the stream of requests was lost or replaced; pure."""

from dataclasses import dataclass

from kleverkit.incarnations import Verdict
from kleverproto.documents import Intent, Tombstone
from kleverproto.servings import ServingDocument

from .intents import Known


@dataclass(frozen=True)
class Loss:
    """The comparison of bucket and stream with their remembered state.

    Attributes:
        bucket: the bucket of servings.
        stream: the stream of requests.
        last_sequence: the last sequence of the present stream.
    """

    bucket: Verdict
    stream: Verdict
    last_sequence: int

    @property
    def is_none(self) -> bool:
        """True if neither bucket nor stream was lost or replaced."""
        return self.bucket is Verdict.SAME and self.stream is Verdict.SAME

    def position_of(self, sequence: int) -> int:
        """The position in the present stream that corresponds to a position in the remembered one.

        No request of a recreated stream may count as late; requests that an older stream still holds do.
        """
        if self.stream is Verdict.SAME:
            return sequence
        return 0 if self.stream is Verdict.RECREATED else min(sequence, self.last_sequence)


def restored(present: Known, copy: Known, loss: Loss) -> ServingDocument | Tombstone[ServingDocument] | None:
    """The document or tombstone to write to the bucket; None if the bucket is up to date.

    Args:
        present: the entry in the bucket.
        copy: the deployer's copy of the last entry.
        loss: the reason why they may differ.
    """
    best = _best(present, copy, loss)
    wanted = in_present_stream(best, loss) if best is not None else None
    return None if wanted == present else wanted


def _best(present: Known, copy: Known, loss: Loss) -> Known:
    if copy is None:
        return present
    if present is None:
        may_be_late = loss.bucket is not Verdict.SAME and loss.stream is not Verdict.RECREATED
        return copy if not is_announced(copy) or may_be_late else None
    if loss.bucket is not Verdict.OLDER:
        return present  # entries of a recreated bucket are newer than the copies
    return present if _sequence(present) > _sequence(copy) else copy


def is_announced(copy: Known) -> bool:
    """Return whether a copy is the tombstone of an announced deletion, which the bucket may have removed."""
    return isinstance(copy, Tombstone) and copy.announced


def in_present_stream(
    known: ServingDocument | Tombstone[ServingDocument], loss: Loss
) -> ServingDocument | Tombstone[ServingDocument]:
    """The document or tombstone with the positions of its requests in the present stream."""
    if isinstance(known, Tombstone):
        return known.replace(intent=_moved(known.intent, loss))
    status, rollout = known.status, known.status.rollout
    if rollout is not None:
        rollout = rollout.replace(steered=loss.position_of(rollout.steered))
    status = status.replace(intent=_moved(status.intent, loss), rollout=rollout)
    return known.replace(status=status)


def _moved(intent: Intent | None, loss: Loss) -> Intent | None:
    return intent.at(loss.position_of(intent.sequence)) if intent else None


def _sequence(known: ServingDocument | Tombstone[ServingDocument]) -> int:
    intent = known.intent if isinstance(known, Tombstone) else known.status.intent
    return intent.sequence if intent else 0
